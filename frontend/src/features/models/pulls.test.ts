import { expect, test } from 'vitest'
import type { Schema } from '../../api/client'
import { isPlain, stays, withProgress } from './pulls'
import type { Library, Pull } from './queries'

const pull: Pull = { id: '7', provider: 'local', model: 'm', state: 'running', done: 0, started: '2026-01-01T00:00:00Z' }
const library: Library = { models: [], servers: [], pulls: [pull] }
const told: Schema<'ProgressData'> = { task: 'pull', id: 7, state: 'running', done: 512, total: 1024, unit: 'bytes', speed: 256 }

test('what the feed tells of a pull is taken over', () => {
  expect(withProgress(library, told)?.pulls?.[0]).toMatchObject({ done: 512, total: 1024, speed: 256, left: 2 })
})

test('a pull that is new or over is asked for', () => {
  expect(withProgress(library, { ...told, id: 8 })).toBeUndefined()
  expect(withProgress(library, { ...told, state: 'done' })).toBeUndefined()
  expect(withProgress({ ...library, pulls: null }, told)).toBeUndefined()
})

test('how long a model stays', () => {
  const now = Date.parse('2026-01-01T00:00:00Z')
  expect(stays(undefined, now)).toBe('stays')
  expect(stays('2026-01-01T00:04:59.5Z', now)).toBe('5 min 0 s more')
  expect(stays('2025-12-31T23:59:59Z', now)).toBe('is let go')
})

test('a registry without encryption is known by its name', () => {
  expect(isPlain(' http://host/library/m')).toBe(true)
  expect(isPlain('hf.co/owner/m')).toBe(false)
})
