import { ApiError, send } from './client'

/** A tool that a model wants called. */
export type ToolCall = { name: string; arguments: string }

/** A message in Ollama's words (https://github.com/ollama/ollama/blob/main/docs/api.md#generate-a-chat-completion). */
export type Message = {
  role: 'system' | 'user' | 'assistant'
  content: string
  images?: string[]
  tool_calls?: { function: { name: string; arguments: unknown } }[]
}

/** A piece of a streamed answer. */
export type Piece = {
  text: string
  thinking: string
  tools: ToolCall[]
  done: boolean
  reason: string
  input?: number
  output?: number
  /** Milliseconds that the model wrote for, where its server tells that. */
  wrote?: number
}

/** Bytes of one line; what is longer is no line of a chat. */
const longestLine = 8 << 20

/** The lines of a stream of JSON values, however the bytes come. */
export async function* lines(stream: ReadableStream<Uint8Array>): AsyncGenerator<string> {
  const reader = stream.getReader()
  const decoder = new TextDecoder()
  let held = ''
  try {
    for (;;) {
      const { done, value } = await reader.read()
      held += decoder.decode(value, { stream: !done })
      for (let end = held.indexOf('\n'); end >= 0; end = held.indexOf('\n')) {
        const line = held.slice(0, end).trim()
        held = held.slice(end + 1)
        if (line) yield line
      }
      if (held.length > longestLine) throw new Error('The answer is no stream of a chat.')
      if (done) break
    }
    if (held.trim()) yield held.trim()
  } finally {
    reader.releaseLock()
  }
}

const asText = (v: unknown) => (typeof v === 'string' ? v : '')
const asNumber = (v: unknown) => (typeof v === 'number' && v >= 0 ? v : undefined)

/** Reads a line of a streamed answer. An error in it is thrown. */
export function parsePiece(line: string): Piece {
  let told: Record<string, unknown>
  try {
    told = JSON.parse(line)
  } catch {
    throw new Error('The answer is no stream of a chat.')
  }
  if (told.error) throw new ApiError(200, errorText(told) ?? 'The answer broke off.')
  const message = (told.message ?? {}) as Record<string, unknown>
  const calls = Array.isArray(message.tool_calls) ? message.tool_calls : []
  return {
    text: asText(message.content),
    thinking: asText(message.thinking),
    tools: calls.map((c) => ({ name: asText(c?.function?.name), arguments: JSON.stringify(c?.function?.arguments ?? {}, undefined, 2) })),
    done: told.done === true,
    reason: asText(told.done_reason),
    input: asNumber(told.prompt_eval_count),
    output: asNumber(told.eval_count),
    wrote: typeof told.eval_duration === 'number' ? told.eval_duration / 1e6 : undefined,
  }
}

/** The sentence of an error in any of the shapes in which one comes: of the three APIs, or of the operator's. */
export function errorText(body: unknown): string | undefined {
  if (typeof body !== 'object' || body === null) return undefined
  if ('detail' in body && typeof body.detail === 'string') return body.detail
  if (!('error' in body)) return undefined
  if (typeof body.error === 'string') return body.error
  if (typeof body.error === 'object' && body.error !== null && 'message' in body.error && typeof body.error.message === 'string') {
    return body.error.message
  }
}

/** What a person can do about a call that failed so. */
export function remedy(status: number, code?: string): string {
  if (status === 0) return 'Start it with `corral serve`; the page comes back by itself.'
  if (status === 401 || status === 403) return 'This browser may be logged out: run `corral ui` and open its link.'
  if (status === 404) return 'Choose another model, or have this one pulled.'
  if (status === 413) return 'Send fewer or smaller pictures, or raise limits.body in the config.'
  if (status === 429) return 'Wait a little, or look at Costs which budget is used up.'
  if (code === 'guard_blocked') return 'Settings, What calls must not say, has what is let through.'
  if (status === 400 || status === 422) return 'Look at the parameters: the model may not know one of them.'
  if (status === 501) return 'Choose a model that can do it.'
  if (status >= 500) return 'Health says which model server is not well; ask again, or choose another target.'
  return ''
}

/** An answer that has begun: who gives it, and its pieces. */
export type Asked = { header: Headers; pieces: AsyncGenerator<Piece> }

/** Asks a model. target: who is to answer, and nobody else; fresh: not from the cache; request: the id under which the call is known. */
export async function ask(
  body: object,
  options: { target?: string; fresh?: boolean; request?: string; signal: AbortSignal },
): Promise<Asked> {
  const query = options.target ? `?target=${encodeURIComponent(options.target)}` : ''
  const headers: Record<string, string> = { 'Content-Type': 'application/json' }
  if (options.request) headers['X-Request-Id'] = options.request
  if (options.fresh) headers['Cache-Control'] = 'no-cache'
  const answer = await send(`/control/v1/try/api/chat${query}`, { headers, body: JSON.stringify(body), signal: options.signal })
  if (!answer.ok || !answer.body) {
    const told = await answer.json().catch(() => undefined)
    throw new ApiError(answer.status, errorText(told) ?? `Corral answered with status ${answer.status}.`, asText(told.code))
  }
  return { header: answer.headers, pieces: pieces(answer.body) }
}

async function* pieces(body: ReadableStream<Uint8Array>): AsyncGenerator<Piece> {
  let whole = false
  for await (const line of lines(body)) {
    const piece = parsePiece(line)
    whole ||= piece.done
    yield piece
  }
  if (!whole) throw new ApiError(200, 'The answer broke off.')
}
