import { queryOptions } from '@tanstack/react-query'
import { client } from '../../api/client'
import { get } from '../../api/query'
import { listModels } from './ollama'

/** How often it is looked whether Ollama has come, in milliseconds. */
const lookEvery = 4_000

/** Where Corral listens, and whether the model servers answer. Somebody installs one meanwhile. */
export const statusQuery = {
  ...get('/control/v1/status'),
  refetchInterval: (q: { state: { data?: { providers: { reachable: boolean }[] | null } } }) =>
    q.state.data?.providers?.some((p) => p.reachable) ? false : lookEvery,
}

/** The models that are there and make text. They change by hands that the feed does not see. */
export const modelsQuery = queryOptions({
  queryKey: ['welcome', 'models'],
  queryFn: async ({ signal }) => {
    const [models, choices] = await Promise.all([listModels(signal), client.GET('/control/v1/try', { signal })])
    const silent = new Set(choices.data?.providers?.flatMap((p) => p.models ?? []).flatMap((m) => (m.chats === false ? [m.model] : [])))
    return models.filter((m) => !silent.has(m.name))
  },
})
