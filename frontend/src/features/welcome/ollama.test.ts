import { expect, test } from 'vitest'
import { systemOf } from './ollama'

test('the system is the browser’s', () => {
  expect(systemOf('Mozilla/5.0 (X11; Linux x86_64)')).toBe('Linux')
  expect(systemOf('Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7)')).toBe('macOS')
  expect(systemOf('Mozilla/5.0 (Windows NT 10.0; Win64; x64)')).toBe('Windows')
})
