import type { QueryClient } from '@tanstack/react-query'
import { client, type Schema, unwrap } from '../../api/client'
import { get } from '../../api/query'

export type Library = Schema<'Library'>
export type Model = Schema<'LibraryModel'>
export type Pull = Schema<'LibraryPull'>
export type Server = Schema<'LibraryHolding'>

/** The models on this device, and those on their way. */
export const libraryQuery = get('/control/v1/library')

const renew = (queries: QueryClient) => queries.invalidateQueries({ queryKey: [libraryQuery.queryKey[0]] })

/** What is pulled, and where to. */
export interface Order {
  model: string
  provider?: string
  insecure?: boolean
}

export function pulling(queries: QueryClient) {
  return {
    mutationFn: async (order: Order) => unwrap(await client.POST('/control/v1/library/pulls', { body: order })),
    onSettled: () => renew(queries),
  }
}

/** Ends a pull, or takes one that is over off the list. */
export function cancelling(queries: QueryClient) {
  return {
    mutationFn: async (id: string) => unwrap(await client.DELETE('/control/v1/library/pulls/{id}', { params: { path: { id } } })),
    onSettled: () => renew(queries),
  }
}

const of = (m: Model) => ({ path: { model: m.name }, query: { provider: m.provider } })

/** Removes a model though the config names it: the page has asked by then. */
export function removing(queries: QueryClient) {
  return {
    mutationFn: async (m: Model) =>
      unwrap(
        await client.DELETE('/control/v1/library/models/{model}', {
          params: { path: { model: m.name }, query: { provider: m.provider, force: true } },
        }),
      ),
    onSettled: () => renew(queries),
  }
}

/** Loads a model; keep: how long it stays after its last use, such as 30m; empty: as its server does by itself. */
export function loading(queries: QueryClient) {
  return {
    mutationFn: async ({ model, keep }: { model: Model; keep: string }) =>
      unwrap(await client.POST('/control/v1/library/models/{model}/load', { params: of(model), body: keep ? { keep } : {} })),
    onSettled: () => renew(queries),
  }
}

export function unloading(queries: QueryClient) {
  return {
    mutationFn: async (m: Model) => unwrap(await client.POST('/control/v1/library/models/{model}/unload', { params: of(m) })),
    onSettled: () => renew(queries),
  }
}
