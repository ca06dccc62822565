import { expect, test } from 'vitest'
import { snippets } from './snippets'

const at = (model: string, runs: boolean, keyed: boolean) =>
  Object.fromEntries(snippets('http://127.0.0.1:11435', model, { runs, keyed }).map((s) => [s.name, s.text]))

test('each API has its own address', () => {
  const text = at('m', true, false)
  expect(text.Ollama).toBe('OLLAMA_HOST=127.0.0.1:11435 ollama run m')
  expect(text.OpenAI).toContain('base_url="http://127.0.0.1:11435/v1", api_key="any"')
  expect(text.Anthropic).toContain('base_url="http://127.0.0.1:11435", api_key="any"')
  expect(text.curl).toMatch(/^curl http:\/\/127.0.0.1:11435\/api\/chat -d /)
})

test('the ollama command is for what it can run', () => {
  expect(Object.keys(at('paid', false, false))).toEqual(['OpenAI', 'Anthropic', 'curl'])
  expect(Object.keys(at('m', true, true))).toEqual(['OpenAI', 'Anthropic', 'curl'])
})

test('where keys are required each shows one', () => {
  for (const text of Object.values(at('m', true, true))) expect(text).toContain('YOUR_KEY')
})

test('a name stays one word, whatever is in it', () => {
  const text = at(`it's a "model"`, true, false)
  expect(text.Ollama).toContain(`ollama run 'it'\\''s a "model"'`)
  expect(text.OpenAI).toContain(`model="it's a \\"model\\"",`)
  expect(text.curl).toContain(`{"model": "it'\\''s a \\"model\\"", `)
})
