import { queryOptions } from '@tanstack/react-query'
import type { PathsWithMethod } from 'openapi-typescript-helpers'
import { client, unwrap } from './client'
import type { paths } from './schema'

type Gettable = PathsWithMethod<paths, 'get'>

/** What a GET of the path answers. */
export type Answer<Path extends Gettable> = paths[Path]['get'] extends { responses: { 200: { content: { 'application/json': infer T } } } }
  ? T
  : never

/** What may stand behind the ? of the path. */
export type Choice<Path extends Gettable> = paths[Path]['get'] extends { parameters: { query?: infer T } } ? NonNullable<T> : never

/**
 * The query for a GET without names in its path. Its key begins with the path: features that ask for the same share one
 * answer, and app/live.ts makes it anew when an event says that it has changed.
 */
export function get<Path extends Gettable>(path: Path, query?: Choice<Path>) {
  return queryOptions({
    queryKey: [path, query ?? {}] as const,
    queryFn: async ({ signal }): Promise<Answer<Path>> => {
      // openapi-fetch cannot see through a path that is not one name.
      const init = { params: { query }, signal } as never
      return unwrap<Answer<Path>>(await client.GET(path, init))
    },
  })
}
