import type { Schema } from '../../api/client'
import { content, paths } from './curl'

/** Characters of a new answer that are shown. */
export const longestShown = 200_000

/** What the operator API asks a model for; other calls change something at a server, or only look. */
const askable = ['generate', 'chat', 'embed', 'chat_completions', 'completions', 'responses', 'v1_embeddings', 'messages']
const chats = ['generate', 'chat', 'chat_completions', 'completions', 'responses', 'messages']

/** Whether a call can be asked again, and where; why not, if it cannot. */
export function replayOf(e: Schema<'RecordEntry'>): { path?: string; chats: boolean; why?: string } {
  const operation = e.operation ?? ''
  if (!askable.includes(operation)) return { chats: false, why: 'This call asked no model, so there is nothing to ask again.' }
  if (e.erased) return { chats: false, why: 'Its text was erased, so it cannot be asked again.' }
  const body = content(e.prompt)
  if (!body) {
    return {
      chats: false,
      why: 'Its text was not kept, so it cannot be asked again. With audit: { content: encrypted } in the config that of later calls is.',
    }
  }
  try {
    JSON.parse(body)
  } catch {
    return { chats: false, why: 'Its text is no whole request: it was cut when it was kept, or was none.' }
  }
  return { path: paths[operation], chats: chats.includes(operation) }
}
