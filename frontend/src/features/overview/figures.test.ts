import { expect, test } from 'vitest'
import type { CallEvent } from '../../api/calls'
import type { Schema } from '../../api/client'
import { latency, perMinute, reach, sample, speed, verdict, whole } from './figures'

const now = Date.parse('2026-11-23T12:00:00Z')
const call = (secondsAgo: number, ms: number, status = 200) =>
  ({ time: new Date(now - secondsAgo * 1000).toISOString(), data: { ms, status } }) as CallEvent

test('calls are counted by the minutes that end now', () => {
  expect(perMinute([call(200, 1), call(61, 1), call(59, 1), call(0, 1)], now, 3)).toEqual([0, 1, 2])
  expect(perMinute([call(-3, 1)], now, 2)).toEqual([0, 1]) // a clock that is a little ahead
  expect(perMinute([], now, 2)).toEqual([0, 0])
})

const ago = (minutes: number) => new Date(now - minutes * 60_000).toISOString()

test.each([
  ['long after its start', [call(10, 1)], ago(600), 'in 15 minutes'],
  ['soon after its start, before which the feed tells nothing', [call(10, 1)], ago(14), 'since Corral’s start'],
  ['without a call', [], ago(1), 'since Corral’s start'],
  ['on a page that was open before the start', [call(500, 1), call(10, 1)], ago(1), 'in 15 minutes'],
  ['while the start is not known', [], undefined, 'in 15 minutes'],
  ['with more calls than the feed holds', Array.from({ length: 4096 }, (_, i) => call(400 - i / 20, 1)), ago(600), 'in 7 minutes'],
])('how far back the figures reach %s', (_, calls, started, words) => expect(reach(calls, now, 15, started)).toBe(words))

test('percentiles are of answered calls', () => {
  const calls = [call(2000, 9999), ...Array.from({ length: 100 }, (_, i) => call(10, i + 1)), call(1, 60_000, 500)]
  expect(latency(calls, now, 15)).toEqual({ p50: 50, p95: 95, calls: 100 })
  expect(latency([call(1, 5, 500)], now, 15)).toBeUndefined()
})

test('the time of the whole call, and tokens a second without kept answers', () => {
  const answered = (ms: number, tokens_out: number, flags: string[] = []) =>
    ({ time: new Date(now - 1000).toISOString(), data: { ms, first_ms: 1, status: 200, tokens_out, flags } }) as CallEvent
  const calls = [answered(1000, 40), answered(1, 500, ['cache-hit']), answered(3000, 40), answered(5, -1)]
  expect(latency(calls, now, 15, whole)?.p95).toBe(3000)
  expect(speed(calls, now, 15)).toEqual({ rate: 20, calls: 2 })
  expect(speed([], now, 15)).toBeUndefined()
})

const health = (severity: string, conditions: { severity: string; absent?: string }[], ready = true) =>
  ({ severity, ready, conditions }) as Schema<'Health'>

test.each([
  [health('ok', []), 'ok', 'All is well.'],
  [health('notice', [{ severity: 'notice' }]), 'ok', 'All is well; one thing is worth knowing.'],
  [health('warning', [{ severity: 'warning' }, { severity: 'warning' }]), 'warning', 'Calls are answered, and 2 things need you.'],
  [health('critical', [{ severity: 'critical' }]), 'critical', 'Calls are answered, but one thing needs you at once.'],
  [health('critical', [{ severity: 'critical' }], false), 'critical', 'Calls cannot be answered now.'],
])('the verdict %#', (h, level, sentence) => expect(verdict(h)).toEqual({ level, sentence }))

test('what the machine does not show is no zero', () => {
  const s = sample({ memory: { total: 100, available: 25 }, absent: { cpu: 'not measured yet' } } as unknown as Schema<'Facts'>, 5)
  expect(s).toEqual({ at: 5, memory: 75, cpu: undefined, disk: undefined, celsius: undefined, gpu: undefined })
})
