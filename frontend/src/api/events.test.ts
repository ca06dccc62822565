import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { RecentCalls } from './calls'
import { Feed, parseEvent } from './events'

class FakeSource {
  static all: FakeSource[] = []
  readyState = 0
  onopen?: () => void
  onerror?: () => void
  private readonly listeners = new Map<string, (m: { data: string }) => void>()
  readonly url: string
  constructor(url: string) {
    this.url = url
    FakeSource.all.push(this)
  }
  addEventListener(type: string, f: (m: { data: string }) => void) {
    this.listeners.set(type, f)
  }
  close() {
    this.readyState = 2
  }
  say(type: string, id: string, data: object = {}) {
    this.listeners.get(type)?.({ data: JSON.stringify({ id, type, time: '2026-11-23T12:00:00Z', data }) })
  }
}

beforeEach(() => {
  FakeSource.all = []
  vi.useFakeTimers()
})
afterEach(() => void vi.useRealTimers())

const start = () => {
  const feed = new Feed((url) => new FakeSource(url) as unknown as EventSource)
  feed.start()
  return feed
}
const source = (i: number) => FakeSource.all[i] as FakeSource

test('an event of another program, or no event at all, is none of the page', () => {
  expect(parseEvent('{"id":"a-1","type":"from-the-future","time":"2026-11-23T12:00:00Z","data":{}}')).toBeUndefined()
  expect(parseEvent('not json')).toBeUndefined()
  expect(parseEvent('null')).toBeUndefined()
  expect(parseEvent('{"id":"a-1","type":"load","time":"2026-11-23T12:00:00Z","data":{"in_flight":2,"waiting":0}}')?.type).toBe('load')
})

test('all readers share one stream, which begins with what is still held', () => {
  const feed = start()
  feed.start()
  const seen: string[] = []
  feed.subscribe((e) => seen.push(`a ${e.id}`))
  const end = feed.subscribe((e) => seen.push(`b ${e.id}`))
  source(0).say('call', 'x-1')
  end()
  source(0).say('call', 'x-2')
  expect(FakeSource.all.map((s) => s.url)).toEqual(['/control/v1/events?after=0'])
  expect(seen).toEqual(['a x-1', 'b x-1', 'a x-2'])
})

test('a stream that the browser gave up is opened anew after the last event, ever later', () => {
  const feed = start()
  source(0).onopen?.()
  expect(feed.current()).toBe('live')
  source(0).say('breaker', 'x-7')
  source(0).readyState = 2
  source(0).onerror?.()
  expect(feed.current()).toBe('away')
  vi.advanceTimersByTime(999)
  expect(FakeSource.all).toHaveLength(1)
  vi.advanceTimersByTime(1)
  expect(source(1).url).toBe('/control/v1/events?after=x-7')
  source(1).readyState = 2
  source(1).onerror?.()
  vi.advanceTimersByTime(1_999)
  expect(FakeSource.all).toHaveLength(2)
  vi.advanceTimersByTime(1)
  expect(FakeSource.all).toHaveLength(3)
})

test('who knows that it will go has it tried at once', () => {
  const feed = start()
  feed.again() // a stream that is there stays
  expect(FakeSource.all).toHaveLength(1)
  source(0).readyState = 2
  source(0).onerror?.()
  feed.again()
  expect(FakeSource.all).toHaveLength(2)
  vi.advanceTimersByTime(60_000)
  expect(FakeSource.all).toHaveLength(2)
})

test('while the browser itself tries again nothing else does', () => {
  start()
  source(0).onerror?.() // readyState 0: connecting
  vi.advanceTimersByTime(60_000)
  expect(FakeSource.all).toHaveLength(1)
})

test('who leaves closes the stream, also one that was about to be opened', () => {
  const feed = start()
  source(0).readyState = 2
  source(0).onerror?.()
  feed.stop()
  vi.advanceTimersByTime(60_000)
  expect(FakeSource.all).toHaveLength(1)
})

test('a flood of calls is told four times a second, and what is held has a bound', () => {
  const feed = start()
  const calls = new RecentCalls()
  calls.follow(feed)
  const changed = vi.fn()
  calls.watch(changed)
  for (let i = 0; i < 20_000; i++) source(0).say('call', `x-${i}`, { request_id: `r${i}` })
  expect(changed).not.toHaveBeenCalled()
  vi.advanceTimersByTime(250)
  expect(changed).toHaveBeenCalledOnce()
  expect(calls.current()).toHaveLength(5_000)
  expect(calls.current().at(-1)?.id).toBe('x-19999')
})
