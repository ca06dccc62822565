import { expect, test } from 'vitest'
import { budgetEdits, budgetsOf, editsOf, valueAt } from './fields'

const config = {
  cache: { exact: { ttl: '5m', when: 'off' }, similar: { threshold: 0.95 } },
  limits: { concurrent: 0 },
  budgets: [{ per: 'day', usd: 5, then: 'warn', scope: '' }],
}

test('values are found by their place', () => {
  expect(valueAt(config, 'cache.exact.ttl')).toBe('5m')
  expect(valueAt(config, 'limits.concurrent')).toBe('0')
  expect(valueAt(config, 'cache.nothing.here')).toBe('')
  expect(valueAt(config, 'cache.exact')).toBe('')
})

test('only what differs is changed; numbers stay numbers; an emptied field is taken out', () => {
  expect(
    editsOf(config, { 'cache.exact.ttl': '5m', 'limits.concurrent': ' 8 ', 'cache.similar.threshold': '', 'cache.exact.when': 'always' }),
  ).toEqual([
    { op: 'set', path: 'cache.exact.when', value: 'always' },
    { op: 'remove', path: 'cache.similar.threshold' },
    { op: 'set', path: 'limits.concurrent', value: 8 },
  ])
})

test('what is true or false is written so', () => {
  expect(editsOf({ local_only: false }, { local_only: 'true' })).toEqual([{ op: 'set', path: 'local_only', value: true }])
  expect(editsOf({ local_only: true }, { local_only: 'false' })).toEqual([{ op: 'set', path: 'local_only', value: false }])
  expect(editsOf({ local_only: false }, { local_only: 'false' })).toEqual([])
})

test('what is no number goes to the daemon, which says what would be right', () => {
  expect(editsOf(config, { 'limits.concurrent': 'many' })).toEqual([{ op: 'set', path: 'limits.concurrent', value: 'many' }])
})

test('budgets', () => {
  expect(budgetsOf(config)).toEqual([{ usd: '5', per: 'day', scope: 'all', then: 'warn' }])
  expect(budgetEdits([0, 2], [{ usd: '3', per: 'month', scope: 'user', then: 'refuse' }])).toEqual([
    { op: 'remove', path: 'budgets[2]' },
    { op: 'remove', path: 'budgets[0]' },
    { op: 'add', path: 'budgets', value: { per: 'month', usd: 3, then: 'refuse', scope: 'user' } },
  ])
})
