import { expect, test } from 'vitest'
import type { Schema } from '../api/client'
import { share, words } from './pulls'

const pull: Schema<'LibraryPull'> = { id: '7', provider: 'local', model: 'm', state: 'running', done: 0, started: '2026-01-01T00:00:00Z' }

test('how far a pull is', () => {
  expect(words(pull)).toBe('Asking the registry')
  expect(words({ ...pull, done: 512, total: 1024, speed: 256, left: 1.2 })).toBe('512 B of 1 KiB · 256 B/s · 2 s left')
  expect(words({ ...pull, done: 1024, total: 1024 })).toBe('Checking what came')
  expect(words({ ...pull, state: 'waiting' })).toMatch(/Waits/)
  expect(words({ ...pull, state: 'cancelled' })).toMatch(/goes on/)
  expect(share({ ...pull, done: 512, total: 1024 })).toBe(50)
  expect(share(pull)).toBe(0)
})
