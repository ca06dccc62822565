import { expect, test } from 'vitest'
import { first, groups, sees } from './choices'
import { opened } from './opened'

test.each([
  [
    'chat',
    {
      model: 'm',
      messages: [
        { role: 'system', content: 'S' },
        { role: 'user', content: 'Q' },
      ],
      options: { temperature: 0, num_predict: 5 },
      format: 'json',
    },
  ],
  [
    'chat_completions',
    {
      model: 'm',
      messages: [
        { role: 'developer', content: 'S' },
        { role: 'user', content: [{ type: 'text', text: 'Q' }] },
      ],
      temperature: 0,
      max_tokens: 5,
      response_format: { type: 'json_object' },
    },
  ],
  [
    'messages',
    {
      model: 'm',
      system: [{ type: 'text', text: 'S' }],
      messages: [{ role: 'user', content: 'Q' }],
      temperature: 0,
      max_tokens: 5,
      format: 'json',
    },
  ],
  ['generate', { model: 'm', system: 'S', prompt: 'Q', options: { temperature: 0, num_predict: 5 }, format: 'json' }],
  ['responses', { model: 'm', instructions: 'S', input: 'Q', temperature: 0, max_output_tokens: 5, format: 'json' }],
])('a call of %s is opened with its texts and parameters', (operation, body) => {
  expect(opened(operation, JSON.stringify(body))).toMatchObject({
    choices: ['m'],
    turns: [],
    draft: 'Q',
    settings: { system: 'S', temperature: 0, tokens: 5, json: true },
  })
})

test('what was said before comes along, and pictures too', () => {
  const o = opened(
    'chat',
    JSON.stringify({
      model: 'm',
      messages: [
        { role: 'user', content: 'A' },
        { role: 'assistant', content: 'B' },
        { role: 'user', content: 'C', images: ['AAAA'] },
      ],
    }),
  )
  expect(o?.turns).toMatchObject([{ text: 'A', answers: [{ text: 'B', state: 'done' }] }])
  expect(o).toMatchObject({ draft: 'C', images: ['data:image/png;base64,AAAA'] })
})

test('what is no chat is not opened', () => {
  expect(opened('embed', '{"input":"x"}')).toBeUndefined()
  expect(opened('chat', '{"mess')).toBeUndefined()
})

const choices = {
  default: 'local',
  names: [{ name: 'chat', targets: ['local/eye'] }],
  providers: [
    {
      provider: 'local',
      kind: 'ollama' as const,
      models: [
        { model: 'eye:latest', chats: true, sees: true },
        { model: 'blind', chats: true, sees: false },
        { model: 'embed', chats: false },
        { model: 'far', away: 'big.example' },
      ],
    },
    { provider: 'openai', kind: 'openai' as const, away: 'api.openai.com', models: [{ model: 'gpt' }] },
  ],
}

test('names come first, then what each provider has and makes text', () => {
  expect(groups(choices).map((g) => [g.group, g.items.map((i) => i.value)])).toEqual([
    ['Names of the config', ['chat']],
    ['local, on this device', ['target:local/eye:latest', 'target:local/blind', 'target:local/far']],
    ['openai, at api.openai.com', ['target:openai/gpt']],
  ])
  expect(groups(choices)[1]?.items[2]?.label).toBe('local/far, at big.example')
  expect(first(choices)).toBe('chat')
})

test.each([
  ['chat', true],
  ['target:local/eye:latest', true],
  ['target:local/blind', false],
  ['target:openai/gpt', undefined],
])('whether %s takes pictures', (choice, want) => expect(sees(choices, choice)).toBe(want))
