import { expect, test } from 'vitest'
import { lines } from './lines'

/** A body that comes in these pieces. */
function body(...pieces: string[]) {
  const encoder = new TextEncoder()
  return new ReadableStream<Uint8Array>({
    start(c) {
      for (const p of pieces) c.enqueue(encoder.encode(p))
      c.close()
    },
  })
}

async function all(b: ReadableStream<Uint8Array>) {
  const out: unknown[] = []
  for await (const v of lines(b)) out.push(v)
  return out
}

test('lines are put together again, wherever they were cut', async () => {
  expect(await all(body('{"a":1}\n{"a"', ':2}\n', '\n{"a":3}'))).toEqual([{ a: 1 }, { a: 2 }, { a: 3 }])
  const [one, two] = ['{"a":"gr', 'n"}\n'].map((s) => new TextEncoder().encode(s))
  const cut = new ReadableStream<Uint8Array>({
    start(c) {
      c.enqueue(Uint8Array.of(...(one ?? []), 0xc3)) // half of ü
      c.enqueue(Uint8Array.of(0xbc, ...(two ?? [])))
      c.close()
    },
  })
  expect(await all(cut)).toEqual([{ a: 'grün' }])
})

test('an answer that broke off within a line is an error', async () => {
  await expect(all(body('{"a":1}\n{"a'))).rejects.toThrow()
})

test('who stops reading ends the answer', async () => {
  let ended = false
  const b = new ReadableStream<Uint8Array>({
    pull: (c) => c.enqueue(new TextEncoder().encode('{}\n')),
    cancel: () => {
      ended = true
    },
  })
  for await (const _ of lines(b)) break
  expect(ended).toBe(true)
})
