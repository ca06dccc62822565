import { QueryClient } from '@tanstack/react-query'
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import type { Feed, FeedEvent } from '../api/events'
import { keepFresh } from './live'

beforeEach(() => void vi.useFakeTimers())
afterEach(() => void vi.useRealTimers())

function fixture() {
  const queries = new QueryClient()
  for (const path of ['usage', 'cache', 'health', 'status']) queries.setQueryData([`/control/v1/${path}`, {}], 1)
  let read: (e: FeedEvent) => void = () => {}
  const end = keepFresh(queries, {
    subscribe(f: typeof read) {
      read = f
      return () => {
        read = () => {}
      }
    },
  } as Feed)
  const old = () => ['usage', 'cache', 'health', 'status'].filter((p) => queries.getQueryState([`/control/v1/${p}`, {}])?.isInvalidated)
  return { tell: (type: string) => read({ type } as FeedEvent), old, end }
}

test('calls make figures old once in three seconds, however many come', () => {
  const { tell, old } = fixture()
  for (let i = 0; i < 1000; i++) tell('call')
  vi.advanceTimersByTime(2_999)
  expect(old()).toEqual([])
  vi.advanceTimersByTime(1)
  expect(old()).toEqual(['usage', 'cache'])
})

test('a condition is asked for at once, and does not hurry what calls made old', () => {
  const { tell, old } = fixture()
  tell('call')
  tell('condition')
  vi.advanceTimersByTime(100)
  expect(old()).toEqual(['health'])
})

test('after a gap all is asked for anew', () => {
  const { tell, old } = fixture()
  tell('gap')
  vi.advanceTimersByTime(100)
  expect(old()).toHaveLength(4)
})

test('nothing happens after the end', () => {
  const { tell, old, end } = fixture()
  tell('call')
  end()
  vi.advanceTimersByTime(10_000)
  expect(old()).toEqual([])
})
