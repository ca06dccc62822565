import { describe, expect, test } from 'vitest'
import { PullReader, snippets, systemOf } from './ollama'

describe('the progress of a download', () => {
  test('its layers add up, in pieces however they are cut', () => {
    const reader = new PullReader()
    expect(reader.read('{"status":"pulling manifest"}\n{"status":"pulling a","digest":"a","total":100,"comp')).toEqual({
      status: 'pulling manifest',
      done: 0,
      total: 0,
    })
    expect(reader.read('leted":40}\n')).toEqual({ status: 'loading', done: 40, total: 100 })
    expect(reader.read('{"status":"pulling b","digest":"b","total":20}\n')).toEqual({ status: 'loading', done: 40, total: 120 })
    expect(reader.read('{"status":"success"}\n')).toMatchObject({ status: 'success' })
    expect(reader.read('\n')).toBeUndefined()
  })

  test('what Ollama says went wrong is an error', () => {
    expect(() => new PullReader().read('{"error":"pull model manifest: file does not exist"}\n')).toThrow('file does not exist')
  })
})

test('the system is the browser’s', () => {
  expect(systemOf('Mozilla/5.0 (X11; Linux x86_64)')).toBe('Linux')
  expect(systemOf('Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7)')).toBe('macOS')
  expect(systemOf('Mozilla/5.0 (Windows NT 10.0; Win64; x64)')).toBe('Windows')
})

test('each API has its own address', () => {
  const text = Object.fromEntries(snippets('http://127.0.0.1:11435', 'm').map((s) => [s.name, s.text]))
  expect(text.Ollama).toBe('OLLAMA_HOST=127.0.0.1:11435 ollama run m')
  expect(text.OpenAI).toContain('base_url="http://127.0.0.1:11435/v1"')
  expect(text.Anthropic).toContain('base_url="http://127.0.0.1:11435"')
})
