import { type QueryClient, queryOptions } from '@tanstack/react-query'
import { client, unwrap } from '../../api/client'
import { get } from '../../api/query'

/** At most so many kept answers are listed. */
export const most = 500

export const statsQuery = get('/control/v1/cache')

/** Which kept answers: of a model (a name or a pattern), of a key, kept for so long at least. Empty: all. */
export type Choice = { model: string; caller: string; older: string }

const asked = (c: Choice) => ({ model: c.model || undefined, caller: c.caller || undefined, older: c.older || undefined })

/** Kept answers, newest first. */
export const itemsQuery = (c: Choice) => get('/control/v1/cache/items', { limit: most, ...asked(c) })

export const keysQuery = get('/control/v1/keys')

/** One kept answer with its text. */
export function itemQuery(id: string) {
  return queryOptions({
    queryKey: ['/control/v1/cache/items/{id}', id],
    queryFn: async ({ signal }) => unwrap(await client.GET('/control/v1/cache/items/{id}', { params: { path: { id } }, signal })),
  })
}

/** Removes kept answers: those chosen, or all. The mutation's data is how many. */
export function clearing(queries: QueryClient) {
  return {
    mutationFn: async (c: Choice) => unwrap(await client.DELETE('/control/v1/cache/items', { params: { query: asked(c) } })).removed,
    onSettled: () => queries.invalidateQueries({ predicate: (q) => String(q.queryKey[0]).startsWith('/control/v1/cache') }),
  }
}
