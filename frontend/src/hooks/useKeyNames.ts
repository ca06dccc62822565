import { useQuery } from '@tanstack/react-query'
import { get } from '../api/query'

/** The names of the apps' keys by their ids, as the ledger has them; empty while they are not known. */
export function useKeyNames(): ReadonlyMap<string, string> {
  return useQuery({ ...get('/control/v1/keys'), select: byId }).data ?? none
}

const none: ReadonlyMap<string, string> = new Map()
const byId = ({ keys }: { keys: { id: string; name: string }[] | null }) => new Map((keys ?? []).map((k) => [k.id, k.name]))
