import type { QueryClient } from '@tanstack/react-query'
import { client, type Schema, unwrap } from '../../api/client'
import { get } from '../../api/query'
import type { Edit } from './fields'

export const configQuery = get('/control/v1/config')
export const statusQuery = get('/control/v1/status')
export const keysQuery = get('/control/v1/keys')
export const aboutQuery = get('/control/v1/about')
export const guardQuery = get('/control/v1/guard')
export const autostartQuery = get('/control/v1/autostart')

/** Says what the guard would find in a text. */
export async function tryText(text: string): Promise<Schema<'TextTried'>> {
  return unwrap(await client.POST('/control/v1/guard/try', { body: { text } }))
}

/** Says what a text would do in place of the file's. */
export async function check(text: string, signal?: AbortSignal): Promise<Schema<'ConfigReview'>> {
  return unwrap(await client.POST('/control/v1/config/check', { body: { text }, signal }))
}

/** Says what edits would do to the file. */
export async function tryEdits(edits: Edit[]): Promise<Schema<'ConfigReview'>> {
  return unwrap(await client.PATCH('/control/v1/config', { body: { edits, dry_run: true } }))
}

const anew = (queries: QueryClient) => () =>
  queries.invalidateQueries({ predicate: (q) => String(q.queryKey[0]).startsWith('/control/v1/') })

/** Writes the text that a review gave, if nobody changed the file since. */
export const writing = (queries: QueryClient) => ({
  mutationFn: async ({ text, revision }: { text: string; revision: string }) =>
    unwrap(await client.PUT('/control/v1/config', { body: { text }, params: { header: { 'If-Match': `"${revision}"` } } })),
  onSettled: anew(queries),
})

export const making = (queries: QueryClient) => ({
  mutationFn: async (body: { name: string; days?: number }) => unwrap(await client.POST('/control/v1/keys', { body })),
  onSettled: anew(queries),
})

export const revoking = (queries: QueryClient) => ({
  mutationFn: async (id: string) => unwrap(await client.DELETE('/control/v1/keys/{id}', { params: { path: { id } } })),
  onSettled: anew(queries),
})

/** Has Corral start at login, or not. */
export const settingAutostart = (queries: QueryClient) => ({
  mutationFn: async (enabled: boolean) => unwrap(await client.PUT('/control/v1/autostart', { body: { enabled } })),
  onSettled: anew(queries),
})
