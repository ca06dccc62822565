import type { Schema } from '../../api/client'

/** Where calls of each endpoint are sent, by its name in the ledger. */
export const paths: Record<string, string> = {
  generate: '/api/generate',
  chat: '/api/chat',
  embed: '/api/embed',
  embeddings: '/api/embeddings',
  show: '/api/show',
  pull: '/api/pull',
  chat_completions: '/v1/chat/completions',
  completions: '/v1/completions',
  responses: '/v1/responses',
  v1_embeddings: '/v1/embeddings',
  messages: '/v1/messages',
  count_tokens: '/v1/messages/count_tokens',
}

/** A text of the ledger: its content where that was kept. */
export function content(text: unknown): string | undefined {
  if (typeof text === 'object' && text !== null && 'content' in text && typeof text.content === 'string' && text.content)
    return text.content
}

const quoted = (s: string) => `'${s.replaceAll("'", `'\\''`)}'`

/** The call as a command; undefined: its endpoint is none that a question goes to. Without kept content the text is to be filled in. */
export function curl(e: Schema<'RecordEntry'>, origin: string): string | undefined {
  const path = paths[e.operation ?? '']
  if (!path) return undefined
  const lines = [`curl ${quoted(origin + path)}`, `-H 'Content-Type: application/json'`]
  if (e.user) lines.push(`-H ${quoted(`Corral-User: ${e.user}`)}`)
  if (e.app) lines.push(`-H ${quoted(`Corral-App: ${e.app}`)}`)
  if (e.caller) lines.push(`-H 'Authorization: Bearer YOUR_KEY'`)
  lines.push(`-d ${quoted(content(e.prompt) ?? blank(e.operation ?? '', e.model_asked ?? ''))}`)
  return lines.join(' \\\n  ')
}

function blank(operation: string, model: string): string {
  const text = 'THE TEXT WAS NOT KEPT'
  if (['chat', 'chat_completions', 'messages', 'count_tokens'].includes(operation)) {
    return JSON.stringify({ model, ...(operation === 'messages' && { max_tokens: 1024 }), messages: [{ role: 'user', content: text }] })
  }
  if (operation === 'generate' || operation === 'completions') return JSON.stringify({ model, prompt: text })
  if (operation === 'show' || operation === 'pull') return JSON.stringify({ model })
  if (operation === 'embeddings') return JSON.stringify({ model, prompt: text })
  return JSON.stringify({ model, input: text })
}

/** JSON with lines and indents; other text as it is. */
export function pretty(text: string): string {
  try {
    return JSON.stringify(JSON.parse(text), undefined, 2)
  } catch {
    return text
  }
}
