import type { QueryClient } from '@tanstack/react-query'
import { client, type Schema, unwrap } from '../../api/client'
import { get } from '../../api/query'

export type Edit = Schema<'ConfigEdit'>
export type Review = Schema<'ConfigReview'>

export interface Provider {
  name: string
  kind: 'ollama' | 'openai' | 'anthropic' | 'gemini'
  url: string
  key?: string
}

export interface Target {
  provider: string
  model: string
}

export interface Model {
  name: string
  targets?: Target[]
  last_resort?: (string | { static: string })[]
  local_only?: boolean
}

export const configQuery = get('/control/v1/config')
export const statusQuery = get('/control/v1/status')
export const targetsQuery = get('/control/v1/targets')
export const outagesQuery = { ...get('/control/v1/outages'), refetchInterval: 5_000 }
export const secretsQuery = get('/control/v1/secrets')

/** What of the config in force this page shows. */
export function routes(file: Schema<'ConfigFile'>): { providers: Provider[]; models: Model[] } {
  const e = file.effective as { providers?: Provider[]; models?: Model[] }
  return { providers: e.providers ?? [], models: e.models ?? [] }
}

/** A name in brackets of a path; in quotes, since it may hold anything. */
export const named = (list: string, name: string) => `${list}[${JSON.stringify(name)}]`

export async function review(edits: Edit[]): Promise<Review> {
  return unwrap(await client.PATCH('/control/v1/config', { body: { edits, dry_run: true } }))
}

/** Writes the edits, if the file still is the one that the review was for. */
export const applying = (queries: QueryClient) => ({
  mutationFn: async ({ edits, revision }: { edits: Edit[]; revision: string }) =>
    unwrap<Review>(await client.PATCH('/control/v1/config', { body: { edits }, params: { header: { 'If-Match': `"${revision}"` } } })),
  onSuccess: () => queries.invalidateQueries({ predicate: (q) => String(q.queryKey[0]).startsWith('/control/v1/') }),
})

export const trying = {
  mutationFn: async (body: Schema<'ProviderTest'>) =>
    unwrap<Schema<'ProviderTested'>>(await client.POST('/control/v1/providers/test', { body })),
}

export const keeping = (queries: QueryClient) => ({
  mutationFn: async ({ name, key }: { name: string; key: string }) =>
    unwrap<Schema<'SecretsEntry'>>(await client.PUT('/control/v1/secrets/{name}', { params: { path: { name } }, body: { key } })),
  onSuccess: () => queries.invalidateQueries({ queryKey: ['/control/v1/secrets'] }),
})

export const explaining = {
  mutationFn: async (body: Schema<'Explain'>) => unwrap<Schema<'Explained'>>(await client.POST('/control/v1/explain', { body })),
}

export const breaking = (queries: QueryClient) => ({
  mutationFn: async (body: Schema<'Breaker'>) => unwrap(await client.POST('/control/v1/breaker', { body })),
  onSuccess: () => queries.invalidateQueries({ queryKey: ['/control/v1/targets'] }),
})

export const beginning = (queries: QueryClient) => ({
  mutationFn: async (body: Schema<'NewOutage'>) => unwrap<Schema<'Outage'>>(await client.POST('/control/v1/outages', { body })),
  onSuccess: () => queries.invalidateQueries({ queryKey: ['/control/v1/outages'] }),
})

export const ending = (queries: QueryClient) => ({
  mutationFn: async (query: { provider: string; model?: string }) =>
    unwrap(await client.DELETE('/control/v1/outages', { params: { query } })),
  onSuccess: () => queries.invalidateQueries({ queryKey: ['/control/v1/outages'] }),
})
