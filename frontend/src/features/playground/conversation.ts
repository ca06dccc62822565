import { ask, type Message, remedy, type ToolCall } from '../../api/ask'
import { recentCalls } from '../../api/calls'
import { ApiError, type Schema } from '../../api/client'
import { leaving } from '../../api/session'

/** What the model is told beside the conversation. Empty: as the model has it. */
export type Settings = {
  system: string
  temperature: number | ''
  tokens: number | ''
  seed: number | ''
  json: boolean
  think: '' | 'on' | 'off'
  tools: string
  fresh: boolean
}

export const noSettings: Settings = { system: '', temperature: '', tokens: '', seed: '', json: false, think: '', tools: '', fresh: false }

export type Answer = {
  id: string
  /** Of whom it was asked: a name, or provider/model behind "target:". */
  choice: string
  state: 'waiting' | 'writing' | 'done' | 'stopped' | 'failed'
  text: string
  thinking: string
  tools: ToolCall[]
  problem?: { text: string; remedy: string }
  request?: string
  target?: string
  route?: string
  cache?: string
  warning?: string
  reason?: string
  input?: number
  output?: number
  firstMs?: number
  ms?: number
  wrote?: number
  /** What the feed told of the call when it was over. */
  cost?: number | null
  over?: boolean
}

export type Turn = { id: string; text: string; images: string[]; answers: (Answer | undefined)[] }

export type State = {
  /** Of whom is asked, side by side: one, or two. Empty: nobody was chosen yet. */
  choices: string[]
  turns: Turn[]
  settings: Settings
  draft: string
  images: string[]
  busy: boolean
}

const empty: State = { choices: [''], turns: [], settings: noSettings, draft: '', images: [], busy: false }

/** Milliseconds between two drawings of an answer that is being written. */
const pause = 60
/** Characters that are kept for when the page is loaded anew; older turns go first. */
const kept = 500_000
const place = 'corral-playground'

/** Who is asked: the model's name in the body, and the target, where it is to be that one. */
export function choiceOf(choice: string): { model: string; target?: string } {
  if (!choice.startsWith('target:')) return { model: choice }
  const target = choice.slice('target:'.length)
  return { model: target.slice(target.indexOf('/') + 1), target }
}

/** The body of a call that goes on with the conversation of one lane. The last turn is asked. */
export function bodyOf(turns: readonly Turn[], lane: number, choice: string, s: Settings): object {
  const messages: Message[] = []
  if (s.system.trim()) messages.push({ role: 'system', content: s.system })
  turns.forEach((t, i) => {
    messages.push({
      role: 'user',
      content: t.text,
      ...(t.images.length > 0 && { images: t.images.map((d) => d.slice(d.indexOf(',') + 1)) }),
    })
    const a = t.answers[lane]
    if (i === turns.length - 1 || !a || (!a.text && a.tools.length === 0)) return
    // As words: a call of a tool must be followed by what the tool said, and nobody runs tools here.
    const calls = a.tools.map((c) => `[called ${c.name} with ${c.arguments}; it was not run]`)
    messages.push({ role: 'assistant', content: [a.text, ...calls].filter(Boolean).join('\n') })
  })
  const options = {
    ...(s.temperature !== '' && { temperature: s.temperature }),
    ...(s.tokens !== '' && { num_predict: s.tokens }),
    ...(s.seed !== '' && { seed: s.seed }),
  }
  return {
    model: choiceOf(choice).model,
    messages,
    stream: true,
    ...(Object.keys(options).length > 0 && { options }),
    ...(s.json && { format: 'json' }),
    ...(s.think && { think: s.think === 'on' }),
    ...(toolsOf(s.tools) && { tools: toolsOf(s.tools) }),
  }
}

/** Tools as the model is told them; undefined: none, or what was written is no list of them. */
export function toolsOf(text: string): unknown[] | undefined {
  try {
    const list = JSON.parse(text)
    if (Array.isArray(list) && list.length > 0) return list
  } catch {}
}

/** A turn as it is after the page was loaded anew: what was under way then has stopped. */
const halted = (t: Turn): Turn => ({
  ...t,
  answers: t.answers.map((a) => (a?.state === 'waiting' || a?.state === 'writing' ? { ...a, state: 'stopped' } : (a ?? undefined))),
})

let count = 0
const newId = () => `${Date.now().toString(36)}-${++count}`

/** The conversation of the playground. It outlives the page that shows it, so that an answer goes on while another page is looked at. */
export class Conversation {
  private state: State = empty
  private shown: State = empty
  private timer: ReturnType<typeof setTimeout> | undefined
  private readonly watchers = new Set<() => void>()
  private readonly running = new Map<string, AbortController>()
  private readonly storage: Storage | undefined
  private readonly asks: typeof ask

  constructor(storage?: Storage, asks: typeof ask = ask) {
    this.storage = storage
    this.asks = asks
    try {
      const saved = JSON.parse(storage?.getItem(place) ?? 'null')
      if (Array.isArray(saved?.turns) && Array.isArray(saved.choices)) {
        this.state = { ...empty, choices: saved.choices, turns: saved.turns.map(halted), settings: { ...noSettings, ...saved.settings } }
      }
    } catch {}
    this.shown = this.state
  }

  watch = (changed: () => void) => {
    this.watchers.add(changed)
    return () => void this.watchers.delete(changed)
  }

  current = () => this.shown

  change(more: Partial<State>) {
    this.state = { ...this.state, ...more }
    this.tell()
  }

  set(settings: Partial<Settings>) {
    this.change({ settings: { ...this.state.settings, ...settings } })
  }

  choose(lane: number, choice: string) {
    this.change({ choices: this.state.choices.map((c, i) => (i === lane ? choice : c)) })
    this.save()
  }

  /** Shows a second target beside the first, or no more. */
  compare(on: boolean) {
    const [first = ''] = this.state.choices
    this.stop()
    this.change({ choices: on ? [first, first] : [first] })
    this.save()
  }

  /** Asks what is in the draft. */
  sendDraft() {
    const { draft, images, busy, choices, turns } = this.state
    if (busy || (!draft.trim() && images.length === 0) || choices.some((c) => !c)) return
    this.change({ turns: [...turns, { id: newId(), text: draft, images, answers: [] }], draft: '', images: [] })
    void this.run(choices.map((_, i) => i))
  }

  /** Asks the last question again, of one lane. */
  again(lane: number) {
    if (!this.state.busy && this.state.turns.length > 0) void this.run([lane], true)
  }

  stop = () => {
    for (const c of this.running.values()) c.abort()
  }

  clear() {
    this.stop()
    this.change({ turns: [] })
    this.save()
  }

  /** Begins with other turns: those of a call that was asked before. */
  open(more: Pick<State, 'choices' | 'turns' | 'settings' | 'draft' | 'images'>) {
    this.stop()
    this.change({ ...more, busy: false })
    this.save()
  }

  /** Forgets all of it. */
  forget = () => {
    this.stop()
    this.state = empty
    this.tell()
    this.storage?.removeItem(place)
  }

  /** Takes what the feed told of calls that are over. */
  learn(calls: readonly { data: Schema<'CallData'> }[]) {
    const waiting = new Map<string, Answer>()
    for (const t of this.state.turns) for (const a of t.answers) if (a?.request && !a.over) waiting.set(a.request, a)
    if (waiting.size === 0) return
    let learned = false
    for (let i = calls.length - 1; i >= 0 && waiting.size > 0; i--) {
      const c = calls[i]?.data
      const a = c && waiting.get(c.request_id)
      if (!a) continue
      waiting.delete(c.request_id)
      learned = true
      this.put(a.id, {
        over: true,
        cost: c.cost_nano_usd,
        ms: c.ms,
        firstMs: c.first_ms ?? a.firstMs,
        target: c.answered ? `${c.provider}/${c.answered}` : a.target,
        route: c.route || a.route,
        input: c.tokens_in >= 0 ? c.tokens_in : a.input,
        output: c.tokens_out >= 0 ? c.tokens_out : a.output,
      })
    }
    if (learned) this.save()
  }

  private async run(lanes: number[], fresh = false) {
    this.change({ busy: true })
    const asked = lanes.map((lane) => this.lane(lane, fresh))
    this.save() // the question outlives a reload before its answer
    await Promise.all(asked)
    this.change({ busy: false })
    this.flush()
    this.save()
  }

  private async lane(lane: number, fresh: boolean) {
    const turn = this.state.turns.at(-1)
    const choice = this.state.choices[lane]
    if (!turn || !choice) return
    const id = newId()
    const answers = [...turn.answers]
    // The id is the page's own, so that a call is found that was stopped before anything came back.
    const request = `page-${id}-${Math.random().toString(36).slice(2, 8)}`
    answers[lane] = { id, choice, request, state: 'waiting', text: '', thinking: '', tools: [] }
    this.change({ turns: this.state.turns.map((t) => (t.id === turn.id ? { ...t, answers } : t)) })
    const abort = new AbortController()
    this.running.set(id, abort)
    const began = performance.now()
    try {
      const { settings, turns } = this.state
      const asked = await this.asks(bodyOf(turns, lane, choice, settings), {
        target: choiceOf(choice).target,
        fresh: fresh || settings.fresh,
        request,
        signal: abort.signal,
      })
      const h = asked.header
      this.put(id, {
        request: h.get('X-Request-Id') ?? request,
        target: [h.get('Corral-Provider'), h.get('Corral-Model')].filter(Boolean).join('/'),
        route: h.get('Corral-Route') ?? undefined,
        cache: h.get('Cache-Status') ?? undefined,
        warning: h.get('Warning') ?? undefined,
        firstMs: performance.now() - began,
      })
      for await (const p of asked.pieces) {
        const a = this.find(id)
        if (!a) return
        this.put(
          id,
          {
            state: 'writing',
            text: a.text + p.text,
            thinking: a.thinking + p.thinking,
            tools: p.tools.length > 0 ? [...a.tools, ...p.tools] : a.tools,
            ...(p.done && { reason: p.reason, input: p.input, output: p.output, wrote: p.wrote }),
          },
          true,
        )
      }
      this.put(id, { state: 'done', ms: performance.now() - began })
    } catch (error) {
      if (abort.signal.aborted) {
        this.put(id, { state: 'stopped', ms: performance.now() - began })
        return
      }
      const status = error instanceof ApiError ? error.status : 500
      this.put(id, {
        state: 'failed',
        ms: performance.now() - began,
        problem: {
          text: error instanceof Error ? error.message : String(error),
          remedy: remedy(status === 200 ? 500 : status, error instanceof ApiError ? error.code : ''),
        },
      })
    } finally {
      this.running.delete(id)
    }
  }

  private find(id: string) {
    for (const t of this.state.turns) for (const a of t.answers) if (a?.id === id) return a
  }

  private put(id: string, more: Partial<Answer>, soon = false) {
    const turns = this.state.turns.map((t) =>
      t.answers.some((a) => a?.id === id) ? { ...t, answers: t.answers.map((a) => (a?.id === id ? { ...a, ...more } : a)) } : t,
    )
    this.state = { ...this.state, turns }
    if (soon) this.timer ??= setTimeout(() => this.flush(), pause)
    else this.tell()
  }

  private flush() {
    clearTimeout(this.timer)
    this.timer = undefined
    this.tell()
  }

  private tell() {
    this.shown = this.state
    for (const changed of this.watchers) changed()
  }

  private save() {
    const { choices, turns, settings } = this.state
    for (let from = 0; from <= turns.length; from++) {
      const text = JSON.stringify({ choices, settings, turns: turns.slice(from) })
      if (text.length > kept) continue
      try {
        this.storage?.setItem(place, text)
      } catch {} // it is full, or not there: memory has all of it
      return
    }
  }
}

export const conversation = new Conversation(window.sessionStorage)
leaving.addEventListener('leave', conversation.forget)
recentCalls.watch(() => conversation.learn(recentCalls.current()))
