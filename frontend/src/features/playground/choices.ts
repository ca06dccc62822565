import type { Schema } from '../../api/client'

type Choices = Schema<'Choices'>

export type Group = { group: string; items: { value: string; label: string }[] }

const short = (model: string) => model.replace(/:latest$/, '')

/** Who can be chosen: the config's names first, then each provider's own models. Models that make no text are left out. */
export function groups(c: Choices): Group[] {
  const out: Group[] = []
  const names = (c.names ?? []).map((n) => ({ value: n.name, label: `${n.name} (${(n.targets ?? []).join(', then ') || 'no target'})` }))
  if (names.length > 0) out.push({ group: 'Names of the config', items: names })
  for (const p of c.providers ?? []) {
    const items = (p.models ?? [])
      .filter((m) => m.chats !== false)
      .map((m) => ({ value: `target:${p.provider}/${m.model}`, label: `${p.provider}/${short(m.model)}${m.away ? `, at ${m.away}` : ''}` }))
    if (items.length > 0) out.push({ group: p.away ? `${p.provider}, at ${p.away}` : `${p.provider}, on this device`, items })
  }
  return out
}

/** Who is chosen at first: the first name of the config, else the first model. */
export function first(c: Choices): string {
  return groups(c)[0]?.items[0]?.value ?? ''
}

/** Whether the choice takes pictures; undefined: not known. A name does when one of its targets does. */
export function sees(c: Choices | undefined, choice: string): boolean | undefined {
  if (!c || !choice) return undefined
  const targets = choice.startsWith('target:')
    ? [choice.slice('target:'.length)]
    : ((c.names ?? []).find((n) => n.name === choice)?.targets ?? [`${c.default}/${choice}`])
  const known = targets.map((t) => {
    const [provider, model] = [t.slice(0, t.indexOf('/')), short(t.slice(t.indexOf('/') + 1))]
    return (c.providers ?? []).find((p) => p.provider === provider)?.models?.find((m) => short(m.model) === model)?.sees
  })
  if (known.some((k) => k === true)) return true
  return known.some((k) => k === undefined) ? undefined : false
}

/** Why there is nobody to choose, in the providers' own words. */
export function problems(c: Choices): string[] {
  return (c.providers ?? []).filter((p) => p.problem).map((p) => `${p.provider}: ${p.problem}`)
}
