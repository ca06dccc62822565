import { queryOptions } from '@tanstack/react-query'
import { client, type Schema, unwrap } from './client'

export type Journey = Schema<'Journey'>

/** How a call went that is over. It does not change any more. */
export function journeyQuery(id: string) {
  return queryOptions({
    queryKey: ['/control/v1/calls/{id}', id],
    queryFn: async ({ signal }): Promise<Journey> =>
      unwrap(await client.GET('/control/v1/calls/{id}', { params: { path: { id } }, signal })),
    staleTime: Number.POSITIVE_INFINITY,
  })
}
