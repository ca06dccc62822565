/** Whose key a call showed: by the key's name, with its id for who points at it. page and operator are no keys, and stay as they are. */
export function KeyName({ id, keys }: { id: string; keys: ReadonlyMap<string, string> }) {
  const name = keys.get(id)
  return name ? <span title={id}>{name}</span> : id
}
