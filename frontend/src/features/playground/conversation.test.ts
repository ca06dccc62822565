import { expect, test, vi } from 'vitest'
import type { ask, Piece } from '../../api/ask'
import { ApiError } from '../../api/client'
import { bodyOf, Conversation, choiceOf, noSettings, type Turn } from './conversation'

const piece = (more: Partial<Piece>): Piece => ({ text: '', thinking: '', tools: [], done: false, reason: '', ...more })
const header = new Headers({ 'X-Request-Id': 'req_1', 'Corral-Provider': 'local', 'Corral-Model': 'tiny', 'Corral-Route': 'model' })

function memory(): Storage {
  const held = new Map<string, string>()
  return {
    getItem: (k: string) => held.get(k) ?? null,
    setItem: (k: string, v: string) => void held.set(k, v),
    removeItem: (k: string) => void held.delete(k),
  } as unknown as Storage
}

/** A model that says the pieces, and then waits until it is let go. */
function model(pieces: Piece[], until?: Promise<void>) {
  const asked: { body: unknown; target?: string; fresh?: boolean; signal: AbortSignal }[] = []
  const asks: typeof ask = async (body, o) => {
    asked.push({ body, ...o })
    return {
      header,
      pieces: (async function* () {
        yield* pieces
        if (until) {
          await Promise.race([
            until,
            new Promise((_, no) => o.signal.addEventListener('abort', () => no(new DOMException('', 'AbortError')))),
          ])
        }
      })(),
    }
  }
  return { asked, asks }
}

const settled = (c: Conversation) => vi.waitFor(() => expect(c.current().busy).toBe(false))

test('a question is answered by whom it was for, and goes on with what was said', async () => {
  const m = model([piece({ thinking: 'hm' }), piece({ text: 'Hel' }), piece({ text: 'lo', done: true, output: 2 })])
  const c = new Conversation(memory(), m.asks)
  c.change({ choices: ['chat'], draft: 'First' })
  c.sendDraft()
  await settled(c)
  expect(c.current().turns[0]?.answers[0]).toMatchObject({
    state: 'done',
    text: 'Hello',
    thinking: 'hm',
    target: 'local/tiny',
    route: 'model',
    output: 2,
  })
  c.change({ draft: 'Second' })
  c.sendDraft()
  await settled(c)
  expect(m.asked[1]?.body).toMatchObject({
    model: 'chat',
    messages: [
      { role: 'user', content: 'First' },
      { role: 'assistant', content: 'Hello' },
      { role: 'user', content: 'Second' },
    ],
  })
})

test('two are asked side by side, each what it said itself', async () => {
  const m = model([piece({ text: 'x', done: true })])
  const c = new Conversation(memory(), m.asks)
  c.change({ choices: ['chat'], draft: 'Q' })
  c.compare(true)
  c.choose(1, 'target:openai/gpt-4o')
  c.sendDraft()
  await settled(c)
  expect(m.asked.map((a) => [(a.body as { model: string }).model, a.target])).toEqual([
    ['chat', undefined],
    ['gpt-4o', 'openai/gpt-4o'],
  ])
  expect(c.current().turns[0]?.answers).toHaveLength(2)
})

test('stopping ends the call, and keeps what was said', async () => {
  const m = model([piece({ text: 'half' })], new Promise(() => {}))
  const c = new Conversation(memory(), m.asks)
  c.change({ choices: ['chat'], draft: 'Q' })
  c.sendDraft()
  await vi.waitFor(() => expect(c.current().turns[0]?.answers[0]?.text).toBe('half'))
  c.stop()
  await settled(c)
  expect(m.asked[0]?.signal.aborted).toBe(true)
  expect(c.current().turns[0]?.answers[0]).toMatchObject({ state: 'stopped', text: 'half' })
})

test('a failure says what happened and what to do; asking again is not for the cache', async () => {
  let fail = true
  const m = model([piece({ text: 'now', done: true })])
  const c = new Conversation(memory(), async (b, o) => {
    if (fail) throw new ApiError(404, 'model "x" not found')
    return m.asks(b, o)
  })
  c.change({ choices: ['x'], draft: 'Q' })
  c.sendDraft()
  await settled(c)
  const a = c.current().turns[0]?.answers[0]
  expect(a).toMatchObject({ state: 'failed', problem: { text: 'model "x" not found' } })
  expect(a?.problem?.remedy).toContain('another model')
  fail = false
  c.again(0)
  await settled(c)
  expect(c.current().turns[0]?.answers[0]).toMatchObject({ state: 'done', text: 'now' })
  expect(m.asked[0]?.fresh).toBe(true)
})

test('it is there when the page is loaded anew, and gone when it is cleared or forgotten', async () => {
  const storage = memory()
  const m = model([piece({ text: 'kept', done: true })])
  const c = new Conversation(storage, m.asks)
  c.change({ choices: ['chat'], draft: 'Q' })
  c.sendDraft()
  await settled(c)
  expect(new Conversation(storage, m.asks).current().turns[0]?.answers[0]?.text).toBe('kept')
  c.clear()
  expect(new Conversation(storage, m.asks).current().turns).toEqual([])
  c.forget()
  expect(storage.getItem('corral-playground')).toBeNull()
})

test('what is kept is bounded: older turns go first', async () => {
  const storage = memory()
  const m = model([piece({ text: 'x'.repeat(300_000), done: true })])
  const c = new Conversation(storage, m.asks)
  for (const draft of ['one', 'two']) {
    c.change({ choices: ['chat'], draft })
    c.sendDraft()
    await settled(c)
  }
  expect(new Conversation(storage, m.asks).current().turns.map((t) => t.text)).toEqual(['two'])
})

test('the feed tells what a call has cost', async () => {
  const m = model([piece({ text: 'x', done: true })])
  const c = new Conversation(memory(), m.asks)
  c.change({ choices: ['chat'], draft: 'Q' })
  c.sendDraft()
  await settled(c)
  const data = {
    request_id: 'req_1',
    cost_nano_usd: 7,
    ms: 9,
    first_ms: 2,
    tokens_in: 3,
    tokens_out: 4,
    provider: 'local',
    answered: 'tiny',
    route: 'model',
  }
  c.learn([{ data: { ...data, request_id: 'other' } as never }, { data: data as never }])
  expect(c.current().turns[0]?.answers[0]).toMatchObject({ over: true, cost: 7, ms: 9, input: 3, output: 4 })
})

test('the body has what was set, and nothing else', () => {
  const turns: Turn[] = [{ id: '1', text: 'Look', images: ['data:image/png;base64,AAAA'], answers: [] }]
  expect(bodyOf(turns, 0, 'chat', noSettings)).toEqual({
    model: 'chat',
    stream: true,
    messages: [{ role: 'user', content: 'Look', images: ['AAAA'] }],
  })
  const set = {
    ...noSettings,
    system: 'Be kind',
    temperature: 0 as const,
    tokens: 5 as const,
    seed: 1 as const,
    json: true,
    think: 'off' as const,
    tools: '[{"type":"function"}]',
  }
  expect(bodyOf(turns, 0, 'target:a/b/c', set)).toMatchObject({
    model: 'b/c',
    options: { temperature: 0, num_predict: 5, seed: 1 },
    format: 'json',
    think: false,
    tools: [{ type: 'function' }],
    messages: [{ role: 'system', content: 'Be kind' }, { role: 'user' }],
  })
  expect(choiceOf('target:a/b/c')).toEqual({ model: 'b/c', target: 'a/b/c' })
})

test('what was under way when the page was loaded anew has stopped, and its question is there', async () => {
  const held = memory()
  const m = model([piece({ text: 'Hel' })], new Promise<void>(() => {}))
  const before = new Conversation(held, m.asks)
  before.change({ choices: ['chat'], draft: 'First' })
  before.sendDraft()
  await vi.waitFor(() => expect(m.asked.length).toBe(1))
  const after = new Conversation(held, m.asks)
  expect(after.current().turns[0]).toMatchObject({ text: 'First', answers: [{ state: 'stopped' }] })
  expect(after.current().busy).toBe(false)
  before.stop()
})

test('a tool that was not run is told in words, for a call of it without a result is refused', () => {
  const tools = [{ name: 'weather', arguments: '{"city":"Oslo"}' }]
  const answer = { id: 'a', choice: 'chat', state: 'done' as const, text: '', thinking: '', tools }
  const turns: Turn[] = [
    { id: '1', text: 'Is it cold?', images: [], answers: [answer] },
    { id: '2', text: 'And now?', images: [], answers: [] },
  ]
  expect(bodyOf(turns, 0, 'chat', noSettings)).toMatchObject({
    messages: [
      { role: 'user', content: 'Is it cold?' },
      { role: 'assistant', content: '[called weather with {"city":"Oslo"}; it was not run]' },
      { role: 'user', content: 'And now?' },
    ],
  })
})
