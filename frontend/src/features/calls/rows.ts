import type { CallEvent } from '../../api/calls'
import type { Schema } from '../../api/client'

type Entry = Schema<'RecordEntry'>

/** One call as the list shows it, from the feed or from the ledger. */
export type Row = {
  id: string
  /** When it began, in milliseconds. */
  at: number
  asked: string
  answered: string
  provider: string
  route: string
  status: number
  code: string
  ms: number
  input: number
  output: number
  cost: number | null
  flags: readonly string[]
  app: string
  user: string
  /** Whether the feed told of it, and the ledger was not asked yet. */
  live: boolean
  /** What a search looks in. Kept, since a search may look in 100,000 calls at each letter. */
  text: string
}

export function fromEvent({ time, data: c }: CallEvent): Row {
  return searchable({
    id: c.request_id,
    at: Date.parse(time) - c.ms,
    asked: c.model ?? '',
    answered: c.answered ?? '',
    provider: c.provider ?? '',
    route: c.route ?? '',
    status: c.status,
    code: c.code ?? '',
    ms: c.ms,
    input: c.tokens_in,
    output: c.tokens_out,
    cost: c.cost_nano_usd,
    flags: c.flags ?? [],
    app: c.app ?? '',
    user: c.user ?? '',
    live: true,
  })
}

export function fromEntry(e: Entry): Row {
  return searchable({
    id: e.request_id ?? `#${e.seq}`,
    at: Date.parse(e.time),
    asked: e.model_asked ?? '',
    answered: e.model_answered ?? '',
    provider: e.provider ?? '',
    route: e.route ?? '',
    status: e.status ?? 0,
    code: e.error_code ?? '',
    ms: (e.duration_ns ?? 0) / 1e6,
    input: e.tokens.input,
    output: e.tokens.output,
    cost: e.cost_nano_usd,
    flags: e.flags ?? [],
    app: e.app ?? '',
    user: e.user ?? '',
    live: false,
  })
}

function searchable(row: Omit<Row, 'text'>): Row {
  const text = [row.id, row.asked, row.answered, row.provider, row.route, row.status, row.code, row.app, row.user, ...row.flags]
  return { ...row, text: text.join(' ').toLowerCase() }
}

/** What calls are looked for. Empty: all. They are the names in the page's address and in the operator API. */
export type Filter = {
  model: string
  app: string
  user: string
  provider: string
  request: string
  status: string
  flag: string
  hours: string
}

export const noFilter: Filter = { model: '', app: '', user: '', provider: '', request: '', status: '', flag: '', hours: '' }

export function readFilter(params: URLSearchParams): Filter {
  const f = { ...noFilter }
  for (const name of Object.keys(f) as (keyof Filter)[]) f[name] = params.get(name) ?? ''
  if (!/^\d{3}$/.test(f.status)) f.status = ''
  if (!/^\d{1,5}$/.test(f.hours)) f.hours = ''
  return f
}

/** Whether the ledger would find the call by the filter. */
export function matches(row: Row, f: Filter, now: number): boolean {
  return (
    (!f.model || row.asked === f.model || row.answered === f.model) &&
    (!f.app || row.app === f.app) &&
    (!f.user || row.user === f.user) &&
    (!f.provider || row.provider === f.provider) &&
    (!f.request || row.id === f.request) &&
    (!f.status || row.status === Number(f.status)) &&
    (!f.flag || row.flags.includes(f.flag)) &&
    (!f.hours || row.at >= now - Number(f.hours) * 3_600_000)
  )
}

/** Those calls in which all words of a search stand somewhere. */
export function found(rows: readonly Row[], search: string): readonly Row[] {
  const words = search.toLowerCase().split(/\s+/).filter(Boolean)
  return words.length === 0 ? rows : rows.filter((row) => words.every((word) => row.text.includes(word)))
}

/** The calls of the ledger that were read so far, newest first. */
export type History = {
  pages: readonly (readonly Entry[])[]
  rows: readonly Row[]
  ids: ReadonlySet<string>
}

export const noHistory: History = { pages: [], rows: [], ids: new Set() }

/** The history of pages that are never changed. Of those that was has already nothing is gone through again: they may hold 100,000 calls. */
export function grown(was: History, pages: readonly (readonly Entry[])[]): History {
  if (pages.length < was.pages.length || was.pages.some((page, i) => page !== pages[i])) return grown(noHistory, pages)
  const more = pages.slice(was.pages.length).flat().map(fromEntry)
  if (more.length === 0) return { ...was, pages }
  return { pages, rows: was.rows.concat(more), ids: new Set([...was.ids, ...more.map((row) => row.id)]) }
}

/** The calls of the feed and those of the ledger as one list, newest first, each once. */
export function merged(live: readonly Row[], { rows: history, ids: old }: History): readonly Row[] {
  const known = new Set<string>()
  const fresh: Row[] = []
  for (const row of live) {
    if (old.has(row.id) || known.has(row.id)) continue
    known.add(row.id)
    fresh.push(row)
  }
  if (fresh.length === 0) return history
  fresh.sort((a, b) => b.at - a.at)
  const newest = history[0]
  const oldest = fresh.at(-1)
  if (!newest || !oldest || oldest.at >= newest.at) return fresh.concat(history)
  // Both are in order: the fresh ones are put in where they belong, without sorting what may be 100,000 rows.
  const all: Row[] = []
  let next = 0
  for (const row of fresh) {
    while (next < history.length && (history[next] as Row).at > row.at) all.push(history[next++] as Row)
    all.push(row)
  }
  return all.concat(history.slice(next))
}
