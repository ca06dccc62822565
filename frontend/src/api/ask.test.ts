import { expect, test, vi } from 'vitest'
import { ask, errorText, lines, parsePiece, remedy } from './ask'

const stream = (...pieces: (string | Uint8Array)[]) =>
  new ReadableStream<Uint8Array>({
    start(c) {
      for (const p of pieces) c.enqueue(typeof p === 'string' ? new TextEncoder().encode(p) : p)
      c.close()
    },
  })

const read = async (s: ReadableStream<Uint8Array>) => {
  const out: string[] = []
  for await (const line of lines(s)) out.push(line)
  return out
}

test.each<[string, (string | Uint8Array)[], string[]]>([
  ['whole lines', ['{"a":1}\n{"b":2}\n'], ['{"a":1}', '{"b":2}']],
  ['a line in pieces', ['{"a"', ':1}', '\n{"b":', '2}\n'], ['{"a":1}', '{"b":2}']],
  ['no end of the last line', ['{"a":1}\n{"b":2}'], ['{"a":1}', '{"b":2}']],
  ['carriage returns and empty lines', ['{"a":1}\r\n\r\n\n{"b":2}\r\n'], ['{"a":1}', '{"b":2}']],
  ['nothing', [], []],
])('lines of a stream: %s', async (_, pieces, want) => expect(await read(stream(...pieces))).toEqual(want))

test('a character that is cut between two pieces stays whole', async () => {
  const bytes = new TextEncoder().encode('{"t":"é😀"}\n')
  const single = [...bytes].map((b) => new Uint8Array([b]))
  expect(await read(stream(...single))).toEqual(['{"t":"é😀"}'])
})

test('a piece has what the model said, thought and wants called', () => {
  const p = parsePiece(
    '{"message":{"content":"Hi","thinking":"hm","tool_calls":[{"function":{"name":"get_weather","arguments":{"location":"Paris"}}}]},"done":false}',
  )
  expect(p).toMatchObject({ text: 'Hi', thinking: 'hm', done: false })
  expect(p.tools).toEqual([{ name: 'get_weather', arguments: '{\n  "location": "Paris"\n}' }])
  const last = parsePiece(
    '{"message":{"content":""},"done":true,"done_reason":"stop","prompt_eval_count":3,"eval_count":5,"eval_duration":2000000}',
  )
  expect(last).toMatchObject({ done: true, reason: 'stop', input: 3, output: 5, wrote: 2 })
})

test('an error in a stream is one, and what is no JSON too', () => {
  expect(() => parsePiece('{"error":"the model has stopped"}')).toThrow('the model has stopped')
  expect(() => parsePiece('<html>')).toThrow('no stream of a chat')
  expect(parsePiece('{"message":null,"done":true}').text).toBe('')
})

test.each([
  [{ error: 'a' }, 'a'],
  [{ error: { message: 'b' } }, 'b'],
  [{ detail: 'c' }, 'c'],
  [{ error: 1 }, undefined],
  [null, undefined],
  ['x', undefined],
])('the sentence of %o', (body, want) => expect(errorText(body)).toBe(want))

test('every failure comes with what to do', () => {
  expect(remedy(400, 'guard_blocked')).toContain('What calls must not say')
  for (const status of [0, 400, 401, 404, 413, 429, 500, 501, 502, 503, 504]) expect(remedy(status)).not.toBe('')
})

test('an answer that ends without its last piece broke off', async () => {
  const answered = (text: string) => vi.stubGlobal('fetch', async () => new Response(text, { headers: { 'Corral-Provider': 'local' } }))
  const all = async () => {
    const asked = await ask({}, { signal: new AbortController().signal })
    let text = ''
    for await (const p of asked.pieces) text += p.text
    return text
  }
  answered('{"message":{"content":"a"}}\n{"message":{"content":"b"},"done":true}\n')
  expect(await all()).toBe('ab')
  answered('{"message":{"content":"a"}}\n')
  await expect(all()).rejects.toThrow('broke off')
  vi.stubGlobal('fetch', async () => Response.json({ error: 'no such model' }, { status: 404 }))
  await expect(all()).rejects.toMatchObject({ status: 404, message: 'no such model' })
})
