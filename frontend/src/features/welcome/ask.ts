import { ask as send } from '../../api/ask'
import type { Choice } from './choices'

export type Reply = { text: string; ms: number; tokens: number | undefined; provider: string }

/**
 * Asks one question: by the name that an app would use, where it has one. The page's session may ask though apps are asked
 * for a key.
 */
export async function ask(whom: Choice, question: string, signal: AbortSignal): Promise<Reply> {
  const began = performance.now()
  const body = { model: whom.asked || whom.name, messages: [{ role: 'user', content: question }], options: { num_predict: 300 } }
  const { header, pieces } = await send(body, { target: whom.asked ? undefined : whom.target, signal })
  let text = ''
  let thinking = ''
  let tokens: number | undefined
  for await (const p of pieces) {
    text += p.text
    thinking += p.thinking
    tokens = p.output ?? tokens
  }
  return { text: (text || thinking).trim(), ms: performance.now() - began, tokens, provider: header.get('Corral-Provider') ?? '' }
}
