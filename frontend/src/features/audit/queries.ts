import { infiniteQueryOptions, type QueryClient, queryOptions } from '@tanstack/react-query'
import { client, type Schema, unwrap } from '../../api/client'
import { get } from '../../api/query'
import { asked, type Filter } from './filter'

/** How many entries are asked for at once. */
export const pageSize = 100

/** Keys, anchors and sizes. The ledger grows with every call, which need not be followed closely. */
export const ledgerQuery = { ...get('/control/v1/audit/status'), refetchInterval: 10_000 }

export const keysQuery = get('/control/v1/keys')

/** Entries that fit, newest first, page by page. */
export function entriesQuery(f: Filter) {
  return infiniteQueryOptions({
    queryKey: ['/control/v1/audit/entries', 'all kinds', f],
    initialPageParam: undefined as number | undefined,
    queryFn: async ({ pageParam, signal }): Promise<Schema<'RecordEntry'>[]> => {
      const choice = asked(f, Date.now())
      const query = { ...choice, last: pageSize, before: pageParam }
      const answer = unwrap(await client.GET('/control/v1/audit/entries', { params: { query }, signal }))
      return (answer.entries ?? []).reverse()
    },
    getNextPageParam: (page) => (page.length < pageSize ? undefined : page.at(-1)?.seq || undefined),
    staleTime: Number.POSITIVE_INFINITY, // the page says how many came since, and asks anew when somebody wants them
    gcTime: 0,
  })
}

/** One entry whole. */
export function entryQuery(seq: number) {
  return queryOptions({
    queryKey: ['/control/v1/audit/entries/{id}', `#${seq}`],
    queryFn: async ({ signal }) =>
      unwrap(await client.GET('/control/v1/audit/entries/{id}', { params: { path: { id: `#${seq}` } }, signal })),
  })
}

/** Whose entries are erased. */
export type Who = Schema<'EraseInputBody'>

function changing(queries: QueryClient) {
  return { onSettled: () => queries.invalidateQueries({ predicate: (q) => /^\/control\/v1\/(audit|cache)/.test(String(q.queryKey[0])) }) }
}

/** Destroys the keys of a person's entries, or of one call's. */
export const erasing = (queries: QueryClient) => ({
  ...changing(queries),
  mutationFn: async (who: Who) => unwrap(await client.POST('/control/v1/audit/erase', { body: who })),
})

/** Removes what is beyond the config's limits. */
export const retaining = (queries: QueryClient) => ({
  ...changing(queries),
  mutationFn: async () => unwrap(await client.POST('/control/v1/audit/retain')),
})

/** Exchanges the top key. */
export const rotating = (queries: QueryClient) => ({
  ...changing(queries),
  mutationFn: async () => void unwrap(await client.POST('/control/v1/audit/rotate-key')),
})
