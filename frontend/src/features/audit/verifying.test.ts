import { expect, test } from 'vitest'
import type { Schema } from '../../api/client'
import { Verifying } from './verifying'

const result: Schema<'LedgerVerification'> = { origin: 'x', from: 0, size: 4, problems: [], anchored: 0, signed: 4, heads: 1, older: 0 }

/** A check whose answer is written by the test. */
function begun() {
  let out!: ReadableStreamDefaultController<Uint8Array>
  let signal!: AbortSignal
  const body = new ReadableStream<Uint8Array>({
    start: (c) => {
      out = c
    },
  })
  const v = new Verifying(async (s) => {
    signal = s
    s.addEventListener('abort', () => out.error(new DOMException('aborted', 'AbortError')))
    return body
  })
  const ended = v.start()
  return {
    v,
    ended,
    signal: () => signal,
    say: (x: unknown) => out.enqueue(new TextEncoder().encode(`${JSON.stringify(x)}\n`)),
    close: () => out.close(),
  }
}

test('it tells how far it is, and what it found', async () => {
  const { v, ended, say, close } = begun()
  const seen: string[] = []
  v.watch(() => seen.push(`${v.current().state} ${v.current().done}`))
  say({ done: 2, total: 4 })
  say({ done: 4, total: 4, result })
  close()
  await ended
  expect(seen).toEqual(['running 2', 'running 4', 'done 4'])
  expect(v.current().result).toEqual(result)
})

test('one at a time; a cancelled one says nothing about the ledger', async () => {
  const { v, ended, signal } = begun()
  await v.start()
  expect(v.current().state).toBe('running')
  v.cancel()
  await ended
  expect(signal().aborted).toBe(true)
  expect(v.current()).toMatchObject({ state: 'cancelled' })
  expect(v.current().result).toBeUndefined()
})

test('an answer without an end is no result', async () => {
  const one = begun()
  one.say({ done: 2, total: 4 })
  one.close()
  await one.ended
  expect(one.v.current().state).toBe('failed')
  const two = begun()
  two.say({ done: 2, total: 4, error: 'the ledger is closed' })
  two.close()
  await two.ended
  expect(two.v.current().error?.message).toBe('the ledger is closed')
})
