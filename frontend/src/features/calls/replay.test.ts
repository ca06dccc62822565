import { expect, test } from 'vitest'
import type { Schema } from '../../api/client'
import { replayOf } from './replay'
import { found, fromEntry } from './rows'

const entry = (more: object) =>
  ({
    seq: 1,
    kind: 'call',
    time: '2026-11-26T12:00:00Z',
    tokens: { input: 1, output: 1 },
    cost_nano_usd: 0,
    baseline_nano_usd: 0,
    ...more,
  }) as Schema<'RecordEntry'>

test.each([
  [
    { operation: 'chat', prompt: { content: '{"model":"m"}' } },
    { path: '/api/chat', chats: true },
  ],
  [
    { operation: 'messages', prompt: { content: '{"model":"m"}' } },
    { path: '/v1/messages', chats: true },
  ],
  [
    { operation: 'embed', prompt: { content: '{"model":"m"}' } },
    { path: '/api/embed', chats: false },
  ],
])('%o can be asked again', (e, want) => expect(replayOf(entry(e))).toMatchObject(want))

test.each([
  [{ operation: 'tags' }, 'asked no model'],
  [{ operation: 'pull', prompt: { content: '{}' } }, 'asked no model'],
  [{ operation: 'chat', prompt: { sha256: 'a' } }, 'not kept'],
  [{ operation: 'chat', erased: 'the person was', prompt: { content: '{}' } }, 'erased'],
  [{ operation: 'chat', prompt: { content: '{"cut' } }, 'cut'],
])('%o says why it cannot be asked again', (e, why) => expect(replayOf(entry(e)).why).toContain(why))

test('a search finds calls by all of its words, in any order', () => {
  const row = fromEntry(
    entry({
      request_id: 'req_1',
      model_asked: 'chat',
      model_answered: 'llama3.2',
      app: 'notes',
      user: 'ann',
      status: 503,
      error_code: 'busy',
    }),
  )
  for (const hit of ['', 'ANN', 'llama busy', 'notes 503', 'req_']) expect(found([row], hit)).toEqual([row])
  for (const miss of ['bob', 'ann mistral']) expect(found([row], miss)).toEqual([])
})
