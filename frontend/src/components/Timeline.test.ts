import { expect, test } from 'vitest'
import { cacheWords, routeWords } from './route'
import { rowsOf } from './Timeline'

test('a call that fell back is told in the order in which it happened', () => {
  const rows = rowsOf({
    request_id: 'r',
    kept: true,
    total_ms: 90,
    steps: [
      { name: 'admit', from_ms: 0, to_ms: 1 },
      { name: 'write', from_ms: 50, to_ms: 90 },
    ],
    tries: [
      { provider: 'a', model: 'm', from_ms: 1, to_ms: 20, asked: true, cause: 'timeout' },
      { provider: 'b', why: 'fallback:timeout', from_ms: 20, to_ms: 50, queued_ms: 10, asked: true, status: 200, away: 'b.example' },
    ],
  })
  expect(rows.map((r) => [r.name, r.from, r.to, r.kind])).toEqual([
    ['Let in', 0, 1, 'step'],
    ['a/m did not answer in time', 1, 20, 'failed'],
    ['Waited for a place at b', 20, 30, 'step'],
    ['b answered', 30, 50, 'try'],
    ['Answer written', 50, 90, 'write'],
  ])
  expect(rows[3]?.note).toBe('The target before it did not answer in time. Its text went to b.example.')
})

test('routes and what the cache did are told in words', () => {
  expect(routeWords('fallback:unreachable')).toBe('The target before it could not be reached.')
  expect(routeWords('chosen')).toBe('You chose this target.')
  expect(routeWords('of-a-newer-corral')).toBe('of-a-newer-corral')
  expect(cacheWords('corral; hit; ttl=30')).toBe('answered from the cache')
  expect(cacheWords('corral; fwd=bypass')).toBe('not one to keep')
  expect(cacheWords('')).toBe('')
})
