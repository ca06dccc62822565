/** A model as Ollama lists it. */
export type Listed = { name: string; size: number; parameters: string }

/** Small models that answer on most machines, with what they take on the disk, in bytes (ollama.com/library). */
export const small = [
  { name: 'qwen3:0.6b', size: 523e6, about: 'the smallest; quick everywhere' },
  { name: 'gemma3:1b', size: 815e6, about: 'small, and better at languages' },
  { name: 'llama3.2:1b', size: 1.3e9, about: 'good at short tasks' },
  { name: 'llama3.2:3b', size: 2e9, about: 'for 8 GB of memory and more' },
] as const

/** How Ollama comes onto a machine (ollama.com/download). */
export const ways = {
  Linux: 'curl -fsSL https://ollama.com/install.sh | sh',
  macOS: 'brew install ollama && brew services start ollama',
  Windows: 'winget install Ollama.Ollama',
} as const

export type System = keyof typeof ways

/** The system of this browser; Corral's own is mostly the same. */
export function systemOf(userAgent: string): System {
  if (/Windows/.test(userAgent)) return 'Windows'
  if (/Mac OS X|Macintosh/.test(userAgent)) return 'macOS'
  return 'Linux'
}

type Tags = { models?: { name?: string; size?: number; details?: { parameter_size?: string } }[] | null }

/** The models that Ollama has, through Corral, smallest first. */
export async function listModels(signal?: AbortSignal): Promise<Listed[]> {
  const { models } = (await json(await send('/api/tags', { signal }))) as Tags
  return (models ?? [])
    .flatMap((m) => (m.name ? [{ name: m.name, size: m.size ?? 0, parameters: m.details?.parameter_size ?? '' }] : []))
    .sort((a, b) => a.size - b.size)
}

export type Progress = { status: string; done: number; total: number }

/** Reads Ollama's progress, which is one JSON object a line; several layers add up. */
export class PullReader {
  private rest = ''
  private readonly layers = new Map<string, { completed: number; total: number }>()

  /** What is known after another piece of the answer; throws what Ollama said went wrong. */
  read(piece: string): Progress | undefined {
    const lines = (this.rest + piece).split('\n')
    this.rest = lines.pop() ?? ''
    let status: string | undefined
    for (const line of lines) {
      if (!line.trim()) continue
      const told = JSON.parse(line) as { status?: string; error?: string; digest?: string; total?: number; completed?: number }
      if (told.error) throw new Error(told.error)
      if (told.status) status = told.status
      if (told.digest && told.total) this.layers.set(told.digest, { completed: told.completed ?? 0, total: told.total })
    }
    if (status === undefined) return
    const layers = [...this.layers.values()]
    return {
      status: status.startsWith('pulling ') && layers.length > 0 ? 'loading' : status,
      done: layers.reduce((sum, l) => sum + l.completed, 0),
      total: layers.reduce((sum, l) => sum + l.total, 0),
    }
  }
}

/** Has Ollama load a model onto this machine, through Corral. */
export async function pull(model: string, told: (p: Progress) => void, signal: AbortSignal) {
  const answer = await send('/api/pull', {
    method: 'POST',
    headers: { 'Content-Type': 'application/json', 'Corral-App': 'welcome' },
    body: JSON.stringify({ model }),
    signal,
  })
  if (!answer.ok || !answer.body) throw new Error(await failure(answer))
  const reader = new PullReader()
  const pieces = answer.body.pipeThrough(new TextDecoderStream()).getReader()
  let last: Progress | undefined
  for (;;) {
    const { value, done } = await pieces.read()
    const now = reader.read(done ? '\n' : value)
    if (now) {
      last = now
      told(now)
    }
    if (done) break
  }
  if (last?.status !== 'success') throw new Error('The download ended too early; try again, and it goes on where it was.')
}

export type Reply = { text: string; ms: number; tokens: number | undefined; provider: string; requestId: string }

/** Asks a model one question, as an app would. */
export async function ask(model: string, question: string, signal?: AbortSignal): Promise<Reply> {
  const began = performance.now()
  const answer = await send('/api/chat', {
    method: 'POST',
    headers: { 'Content-Type': 'application/json', 'Corral-App': 'welcome' },
    body: JSON.stringify({ model, stream: false, messages: [{ role: 'user', content: question }], options: { num_predict: 300 } }),
    signal,
  })
  const body = (await json(answer)) as { message?: { content?: string; thinking?: string }; eval_count?: number }
  return {
    text: (body.message?.content || body.message?.thinking || '').trim(),
    ms: performance.now() - began,
    tokens: body.eval_count,
    provider: answer.headers.get('Corral-Provider') ?? '',
    requestId: answer.headers.get('X-Request-Id') ?? '',
  }
}

/** Sends a request as an app does: the guide goes the way that it shows. */
const send = (path: string, init: RequestInit) => fetch(new Request(new URL(path, window.location.origin), init))

async function json(answer: Response): Promise<unknown> {
  if (!answer.ok) throw new Error(await failure(answer))
  return answer.json()
}

async function failure(answer: Response): Promise<string> {
  try {
    const { error } = (await answer.json()) as { error?: string | { message?: string } }
    const text = typeof error === 'string' ? error : error?.message
    if (text) return text
  } catch {}
  return `Corral answered with status ${answer.status}.`
}

/** What to write into an app, for each of the APIs that apps speak. */
export function snippets(address: string, model: string) {
  return [
    { name: 'Ollama', text: `OLLAMA_HOST=${address.replace(/^https?:\/\//, '')} ollama run ${model}` },
    {
      name: 'OpenAI',
      text: `from openai import OpenAI\n\nclient = OpenAI(base_url="${address}/v1", api_key="any")\nprint(client.chat.completions.create(\n    model="${model}",\n    messages=[{"role": "user", "content": "Hello"}],\n).choices[0].message.content)`,
    },
    {
      name: 'Anthropic',
      text: `from anthropic import Anthropic\n\nclient = Anthropic(base_url="${address}", api_key="any")\nprint(client.messages.create(\n    model="${model}", max_tokens=300,\n    messages=[{"role": "user", "content": "Hello"}],\n).content[0].text)`,
    },
    {
      name: 'curl',
      text: `curl ${address}/api/chat -d '{"model": "${model}", "stream": false, "messages": [{"role": "user", "content": "Hello"}]}'`,
    },
  ]
}
