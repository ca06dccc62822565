import type { QueryClient } from '@tanstack/react-query'
import type { Events, Feed } from '../api/events'

/** What an event makes old, by the beginning of the query's key. */
const stale: Record<keyof Events, readonly string[]> = {
  call: [
    '/control/v1/usage',
    '/control/v1/cache',
    '/control/v1/slo',
    '/control/v1/budgets',
    '/control/v1/targets',
    '/control/v1/library',
    '/control/v1/guard',
  ],
  load: [],
  breaker: ['/control/v1/targets', '/control/v1/health'],
  provider: ['/control/v1/status', '/control/v1/health', '/control/v1/targets', '/control/v1/library'],
  condition: ['/control/v1/health', '/control/v1/library'],
  outage: ['/control/v1/outages', '/control/v1/health'],
  budget: ['/control/v1/budgets'],
  config: ['/control/v1/'],
  ledger: ['/control/v1/health'],
  progress: [], // features take over what it tells
  library: ['/control/v1/library', '/control/v1/health'],
  service: ['/control/v1/'],
  gap: ['/control/v1/'],
  dropped: ['/control/v1/'],
}

/** What calls make old is made anew so often, in milliseconds; the rest at once. */
const callsPause = 3_000
const pause = 100

/** Keeps what the page shows true: what an event makes old is asked for anew, if it is shown. The result ends that. */
export function keepFresh(queries: QueryClient, feed: Feed) {
  const waiting = new Map<number, { due: Set<string>; timer: ReturnType<typeof setTimeout> }>()
  const flush = (after: number) => {
    const due = [...(waiting.get(after)?.due ?? [])]
    waiting.delete(after)
    void queries.invalidateQueries({ predicate: (q) => due.some((begin) => String(q.queryKey[0]).startsWith(begin)) })
  }
  const end = feed.subscribe((e) => {
    if (stale[e.type].length === 0) return
    const after = e.type === 'call' ? callsPause : pause
    const w = waiting.get(after) ?? { due: new Set(), timer: setTimeout(() => flush(after), after) }
    for (const begin of stale[e.type]) w.due.add(begin)
    waiting.set(after, w)
  })
  return () => {
    end()
    for (const w of waiting.values()) clearTimeout(w.timer)
  }
}
