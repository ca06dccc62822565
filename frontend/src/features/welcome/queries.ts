import type { QueryClient } from '@tanstack/react-query'
import { client, unwrap } from '../../api/client'
import { type Answer, get } from '../../api/query'
import { isOver } from '../../components/pulls'

/** How often it is looked whether Ollama has come, in milliseconds. */
const lookEvery = 4_000

/** Where Corral listens, and whether the model servers answer. Somebody installs one meanwhile. */
export const statusQuery = {
  ...get('/control/v1/status'),
  refetchInterval: (q: { state: { data?: { providers: { reachable: boolean }[] | null } } }) =>
    q.state.data?.providers?.some((p) => p.reachable) ? false : lookEvery,
}

/** The models on this machine, and those on their way; while there are such, it is looked again every second. */
export const libraryQuery = {
  ...get('/control/v1/library'),
  refetchInterval: (q: { state: { data?: Answer<'/control/v1/library'> } }) =>
    q.state.data?.pulls?.some((p) => !isOver(p)) ? 1_000 : false,
}

/** The names of the config, and which models make text. */
export const choicesQuery = get('/control/v1/try')

const renew = (queries: QueryClient) => queries.invalidateQueries({ queryKey: [libraryQuery.queryKey[0]] })

export function pulling(queries: QueryClient) {
  return {
    mutationFn: async (order: { model: string; provider: string }) =>
      unwrap(await client.POST('/control/v1/library/pulls', { body: order })),
    onSettled: () => renew(queries),
  }
}

/** Ends a pull. */
export function cancelling(queries: QueryClient) {
  return {
    mutationFn: async (id: string) => unwrap(await client.DELETE('/control/v1/library/pulls/{id}', { params: { path: { id } } })),
    onSettled: () => renew(queries),
  }
}
