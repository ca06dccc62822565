import type { Choice } from '../../api/query'

/** What entries are looked for, as it stands in the page's address. Empty: all. */
export type Filter = { hours: string; from: string; to: string; caller: string; user: string; app: string; model: string; flag: string }

const noFilter: Filter = { hours: '', from: '', to: '', caller: '', user: '', app: '', model: '', flag: '' }

export function readFilter(params: URLSearchParams): Filter {
  const f = { ...noFilter }
  for (const name of Object.keys(f) as (keyof Filter)[]) f[name] = params.get(name) ?? ''
  if (!/^(\d{1,5}|between)$/.test(f.hours)) f.hours = ''
  if (f.hours !== 'between') f.from = f.to = ''
  return f
}

/** How many of the filter's fields say something. */
export const chosen = (f: Filter) => [f.hours, f.caller, f.user, f.app, f.model, f.flag].filter(Boolean).length

/** The filter as the operator API takes it. Times are of this browser's zone. */
export function asked(f: Filter, now: number): Choice<'/control/v1/audit/entries'> {
  const ago = /^\d+$/.test(f.hours) ? new Date(now - Number(f.hours) * 3_600_000).toISOString() : undefined
  return {
    from: ago ?? instant(f.from),
    to: instant(f.to),
    caller: f.caller || undefined,
    user: f.user || undefined,
    app: f.app || undefined,
    model: f.model || undefined,
    flag: f.flag ? [f.flag] : undefined,
  }
}

function instant(local: string): string | undefined {
  const at = new Date(local)
  return local && !Number.isNaN(at.getTime()) ? at.toISOString() : undefined
}

/** The address from which the chosen entries come as a file. */
export function exportAddress(f: Filter, format: 'jsonl' | 'ocsf', now: number): string {
  const query = new URLSearchParams({ format })
  for (const [name, value] of Object.entries(asked(f, now))) if (value !== undefined) query.set(name, String(value))
  return `/control/v1/audit/export?${query}`
}

/** The address from which the proof for an entry comes as a file. reveal: with what the entry says. */
export function proofAddress(seq: number, reveal: boolean): string {
  return `/control/v1/audit/entries/${encodeURIComponent(`#${seq}`)}/proof${reveal ? '?reveal=true' : ''}`
}
