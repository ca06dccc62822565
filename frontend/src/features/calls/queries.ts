import { infiniteQueryOptions, queryOptions } from '@tanstack/react-query'
import { client, type Schema, unwrap } from '../../api/client'
import type { Filter } from './rows'

/** How many entries of the ledger are asked for at once: few at first, so that they are there at once. */
export const pageSize = 200
const laterSize = 1_000

/** Entries of the ledger, newest first, page by page. */
export function historyQuery(f: Filter) {
  return infiniteQueryOptions({
    queryKey: ['/control/v1/audit/entries', f],
    initialPageParam: undefined as number | undefined,
    queryFn: async ({ pageParam, signal }): Promise<Schema<'RecordEntry'>[]> => {
      const query = {
        calls: true,
        last: pageParam ? laterSize : pageSize,
        before: pageParam,
        from: f.hours ? new Date(Date.now() - Number(f.hours) * 3_600_000).toISOString() : undefined,
        model: f.model || undefined,
        app: f.app || undefined,
        user: f.user || undefined,
        provider: f.provider || undefined,
        request: f.request || undefined,
        status: f.status ? Number(f.status) : undefined,
        flag: f.flag ? [f.flag] : undefined,
      }
      const answer = unwrap(await client.GET('/control/v1/audit/entries', { params: { query }, signal }))
      return (answer.entries ?? []).reverse()
    },
    getNextPageParam: (page, pages) =>
      page.length < (pages.length > 1 ? laterSize : pageSize) ? undefined : page.at(-1)?.seq || undefined,
    structuralSharing: false, // pages do not change, and comparing 100,000 calls takes longer than a frame
    staleTime: Number.POSITIVE_INFINITY, // what comes after it is told by the feed
    gcTime: 0, // who comes back begins with the newest page
  })
}

/** One entry whole. */
export function entryQuery(id: string) {
  return queryOptions({
    queryKey: ['/control/v1/audit/entries/{id}', id],
    queryFn: async ({ signal }) => unwrap(await client.GET('/control/v1/audit/entries/{id}', { params: { path: { id } }, signal })),
  })
}
