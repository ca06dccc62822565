import createClient, { type Middleware } from 'openapi-fetch'
import type { components, paths } from './schema'

/** A type of the operator API by its name in the description. */
export type Schema<Name extends keyof components['schemas']> = components['schemas'][Name]

/** A request that the daemon did not grant, or that did not reach it. */
export class ApiError extends Error {
  /** The status of the answer; 0: there was none. */
  readonly status: number
  /** Corral's word for what went wrong, where it told one. */
  readonly code: string

  constructor(status: number, message: string, code = '') {
    super(message)
    this.name = 'ApiError'
    this.status = status
    this.code = code
  }
}

let csrf = ''

/** Sets what each changing request carries, so that no other page can make this browser send one. */
export function useToken(value: string) {
  csrf = value
}

const guard: Middleware = {
  onRequest({ request }) {
    if (csrf && request.method !== 'GET') request.headers.set('X-Corral-CSRF', csrf)
    return request
  },
  onError() {
    return new ApiError(0, 'Corral does not answer. Is it still running?')
  },
}

export const client = createClient<paths>({
  baseUrl: window.location.origin,
  fetch: (request) => fetch(request),
  querySerializer: { array: { style: 'form', explode: false } },
})
client.use(guard)

/** Sends what openapi-fetch cannot: a change whose answer is read as it comes. An answer that is no success is the caller's to read. */
export async function send(path: string, init: RequestInit): Promise<Response> {
  const headers = new Headers(init.headers)
  if (csrf) headers.set('X-Corral-CSRF', csrf)
  try {
    return await fetch(new Request(new URL(path, window.location.origin), { ...init, headers, method: 'POST' }), { signal: init.signal })
  } catch (error) {
    if (init.signal?.aborted) throw error
    throw new ApiError(0, 'Corral does not answer. Is it still running?')
  }
}

/** The data of an answer, or an ApiError with the daemon's own words. */
export function unwrap<T>(answer: { data?: T; error?: unknown; response: Response }): T {
  if (answer.response.ok) return answer.data as T
  throw new ApiError(answer.response.status, detail(answer.error) ?? `Corral answered with status ${answer.response.status}.`)
}

function detail(error: unknown): string | undefined {
  if (typeof error === 'object' && error !== null && 'detail' in error && typeof error.detail === 'string') return error.detail
}
