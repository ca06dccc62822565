import { noSettings, type Settings, type Turn } from './conversation'

/** A call of an app that is opened in the playground: who was asked, and the texts. */
export type Opened = { choices: string[]; turns: Turn[]; settings: Settings; draft: string; images: string[] }

type Part = { role: string; text: string; images: string[] }

const asText = (v: unknown): string => (typeof v === 'string' ? v : '')
const asNumber = (v: unknown): number | '' => (typeof v === 'number' ? v : '')

/** The text and the pictures of a message's content, as any of the three APIs has it. */
function contentOf(content: unknown, images: unknown): { text: string; images: string[] } {
  const out = { text: asText(content), images: [] as string[] }
  if (Array.isArray(images)) out.images = images.filter((x) => typeof x === 'string').map((x) => `data:image/png;base64,${x}`)
  if (!Array.isArray(content)) return out
  for (const part of content) {
    if (typeof part?.text === 'string') out.text += part.text
    const url = asText(part?.image_url?.url ?? part?.image_url)
    if (url.startsWith('data:image/')) out.images.push(url)
    if (part?.source?.type === 'base64') out.images.push(`data:${part.source.media_type};base64,${part.source.data}`)
  }
  return out
}

/** Reads the body of a call; undefined: it is none that the playground can ask. */
export function opened(operation: string, text: string): Opened | undefined {
  let body: Record<string, unknown>
  try {
    body = JSON.parse(text)
  } catch {
    return undefined
  }
  let list: unknown[]
  if (['chat', 'chat_completions', 'messages'].includes(operation) && Array.isArray(body.messages)) list = body.messages
  else if (operation === 'responses') list = Array.isArray(body.input) ? body.input : [{ role: 'user', content: body.input }]
  else if (['generate', 'completions'].includes(operation)) list = [{ role: 'user', content: body.prompt, images: body.images }]
  else return undefined
  const systems = [contentOf(body.system ?? body.instructions, undefined).text]
  const parts: Part[] = []
  for (const m of list as Record<string, unknown>[]) {
    const role = asText(m?.role) || 'user'
    const content = contentOf(m?.content, m?.images)
    if (role === 'system' || role === 'developer') systems.push(content.text)
    else parts.push({ role: role === 'assistant' ? role : 'user', ...content })
  }
  const turns: Turn[] = []
  for (const [i, p] of parts.entries()) {
    const last = turns.at(-1)
    if (p.role === 'user') turns.push({ id: `opened-${i}`, text: p.text, images: p.images, answers: [] })
    else if (last) {
      const before = last.answers[0]
      last.answers = [{ id: `opened-${i}`, choice: '', state: 'done', text: (before?.text ?? '') + p.text, thinking: '', tools: [] }]
    }
  }
  const asked = turns.at(-1)?.answers.length === 0 ? turns.pop() : undefined
  const options = (body.options ?? {}) as Record<string, unknown>
  const format = body.format ?? (body.response_format as Record<string, unknown> | undefined)?.type
  return {
    choices: [asText(body.model)],
    turns,
    settings: {
      ...noSettings,
      system: systems.filter(Boolean).join('\n\n'),
      temperature: asNumber(options.temperature ?? body.temperature),
      tokens: asNumber(options.num_predict ?? body.max_tokens ?? body.max_completion_tokens ?? body.max_output_tokens),
      seed: asNumber(options.seed ?? body.seed),
      json: format === 'json' || format === 'json_object',
    },
    draft: asked?.text ?? '',
    images: asked?.images ?? [],
  }
}
