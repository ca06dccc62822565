import { expect, test } from 'vitest'
import type { Schema } from '../../api/client'
import { content, curl, pretty } from './curl'

const entry = (e: Partial<Schema<'RecordEntry'>>) =>
  ({
    seq: 1,
    kind: 'call',
    time: '',
    tokens: { input: 0, output: 0, cached_input: 0, reasoning: 0 },
    cost_nano_usd: 0,
    baseline_nano_usd: 0,
    ...e,
  }) as Schema<'RecordEntry'>

test('kept content is sent as it was, quoted for a shell', () => {
  const command = curl(entry({ operation: 'chat', app: "bob's", prompt: { content: `{"a":"it's"}` } }), 'http://127.0.0.1:1')
  expect(command).toBe(
    `curl 'http://127.0.0.1:1/api/chat' \\\n  -H 'Content-Type: application/json' \\\n  -H 'Corral-App: bob'\\''s' \\\n  -d '{"a":"it'\\''s"}'`,
  )
})

test.each([
  'generate',
  'chat',
  'embed',
  'embeddings',
  'chat_completions',
  'responses',
  'messages',
  'v1_embeddings',
])('without content the text of %s is to be filled in', (operation) => {
  const command = curl(entry({ operation, model_asked: 'm' }), '') ?? ''
  const body = JSON.parse(command.slice(command.indexOf("-d '") + 4, -1))
  expect(body.model).toBe('m')
  expect(JSON.stringify(body)).toContain('NOT KEPT')
})

test('a call that asks nothing has no command', () => expect(curl(entry({ operation: 'tags' }), '')).toBeUndefined())

test('content and its look', () => {
  expect(content({ salt: 'x' })).toBeUndefined()
  expect(content(null)).toBeUndefined()
  expect(pretty('{"a":1}')).toBe('{\n  "a": 1\n}')
  expect(pretty('{"a":1}\n{"a":2}')).toBe('{"a":1}\n{"a":2}')
})
