import type { CallEvent } from '../../api/calls'
import type { Schema } from '../../api/client'

const minute = 60_000

/** Calls in each of the last minutes, oldest first; the last is the one that ends now. */
export function perMinute(calls: readonly CallEvent[], now: number, minutes: number): number[] {
  const counts = new Array<number>(minutes).fill(0)
  for (let i = calls.length - 1; i >= 0; i--) {
    const call = calls[i]
    if (!call) continue
    const age = Math.max(0, Math.floor((now - Date.parse(call.time)) / minute))
    if (age >= minutes) break
    counts[minutes - 1 - age]! += 1
  }
  return counts
}

/** Calls that the daemon's feed holds for who comes later (keepEvents in daemon/event). */
const held = 4_096

/** Of what time the figures of the feed are: it tells nothing from before Corral's start, and holds no more than so many calls. */
export function reach(calls: readonly CallEvent[], now: number, minutes: number, started: string | undefined): string {
  const oldest = calls[0] ? Date.parse(calls[0].time) : now
  const begin = now - minutes * minute
  const start = started ? Date.parse(started) : 0
  if (start > begin && oldest >= start) return 'since Corral’s start'
  if (calls.length < held || oldest <= begin) return `in ${minutes} minutes`
  const some = Math.max(1, Math.ceil((now - oldest) / minute))
  return some === 1 ? 'in a minute' : `in ${some} minutes`
}

/** The time until the first content, or of the whole call where none is known. */
export const first = (c: CallEvent['data']) => c.first_ms || c.ms

/** The time of the whole call. */
export const whole = (c: CallEvent['data']) => c.ms

/** Percentiles of a time of the last calls, in milliseconds. Only calls that were answered count. */
export function latency(
  calls: readonly CallEvent[],
  now: number,
  minutes: number,
  of: (c: CallEvent['data']) => number = first,
): { p50: number; p95: number; calls: number } | undefined {
  const times: number[] = []
  for (let i = calls.length - 1; i >= 0; i--) {
    const call = calls[i]
    if (!call) continue
    if (now - Date.parse(call.time) > minutes * minute) break
    if (call.data.status < 400) times.push(of(call.data))
  }
  if (times.length === 0) return undefined
  times.sort((a, b) => a - b)
  return { p50: at(times, 0.5), p95: at(times, 0.95), calls: times.length }
}

/** Tokens a second that models gave, over the whole of the calls that they answered: waiting and reading the question are in it. Kept answers are no model's. */
export function speed(calls: readonly CallEvent[], now: number, minutes: number): { rate: number; calls: number } | undefined {
  let tokens = 0
  let ms = 0
  let n = 0
  for (let i = calls.length - 1; i >= 0; i--) {
    const call = calls[i]
    if (!call) continue
    if (now - Date.parse(call.time) > minutes * minute) break
    const c = call.data
    if (c.status >= 400 || c.tokens_out <= 0 || c.ms <= 0 || c.flags?.includes('cache-hit')) continue
    tokens += c.tokens_out
    ms += c.ms
    n++
  }
  return n > 0 ? { rate: tokens / (ms / 1000), calls: n } : undefined
}

/** The nearest-rank percentile of sorted values. */
function at(sorted: readonly number[], p: number): number {
  return sorted[Math.min(sorted.length - 1, Math.ceil(p * sorted.length) - 1)] ?? 0
}

type Verdict = { level: Schema<'Health'>['severity']; sentence: string }

/** Whether all is well, in a sentence. */
export function verdict(health: Schema<'Health'>): Verdict {
  const bad = (health.conditions ?? []).filter((c) => !c.absent && (c.severity === 'warning' || c.severity === 'critical'))
  const notices = (health.conditions ?? []).filter((c) => !c.absent && c.severity === 'notice').length
  if (!health.ready) return { level: 'critical', sentence: 'Calls cannot be answered now.' }
  if (health.severity === 'critical') return { level: 'critical', sentence: `Calls are answered, but ${things(bad.length)} at once.` }
  if (health.severity === 'warning') return { level: 'warning', sentence: `Calls are answered, and ${things(bad.length)}.` }
  if (health.severity === 'notice')
    return { level: 'ok', sentence: `All is well; ${notices === 1 ? 'one thing is' : `${notices} things are`} worth knowing.` }
  return { level: 'ok', sentence: 'All is well.' }
}

const things = (n: number) => (n === 1 ? 'one thing needs you' : `${n} things need you`)

export type Sample = { at: number; memory?: number; cpu?: number; disk?: number; celsius?: number; gpu?: number }

/** What of the machine is drawn: parts of the whole in percent, and degrees. */
export function sample(m: Schema<'Facts'>, at: number): Sample {
  const gpu = m.gpus?.[0]
  return {
    at,
    memory: m.memory && (1 - m.memory.available / m.memory.total) * 100,
    cpu: m.cpu?.busy,
    disk: m.disk && (1 - m.disk.free / m.disk.total) * 100,
    celsius: m.temperature?.celsius,
    gpu: gpu?.busy,
  }
}
