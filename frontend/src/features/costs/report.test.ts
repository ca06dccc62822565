import { expect, test } from 'vitest'
import type { Schema } from '../../api/client'
import { csv, everyDay, field, per, told } from './report'

const row = (key: string, cost = 220) =>
  ({
    key,
    sum: {
      calls: 3,
      errors: 1,
      cache_hits: 2,
      input_tokens: 10,
      output_tokens: 4,
      cost_nano_usd: cost,
      baseline_nano_usd: 5e9,
      saved_nano_usd: 4_999_999_780,
      unpriced_calls: 0,
    },
  }) as Schema<'UsageRow'>

test.each([
  ['plain', 'plain'],
  ['a,b', '"a,b"'],
  ['say "x"', '"say ""x"""'],
  ['=HYPERLINK("http://x")', `"'=HYPERLINK(""http://x"")"`],
  ['@x', "'@x"],
  [-5, '-5'],
])('the field %s is written %s', (value, text) => expect(field(value)).toBe(text))

test('a file has whole dollars without exponents', () => {
  expect(csv('user', [row('ann')])).toBe(
    'user,calls,errors,cache_hits,input_tokens,output_tokens,cost_usd,baseline_usd,saved_usd,calls_of_unknown_cost\r\n' +
      'ann,3,1,2,10,4,0.000000220,5,4.99999978,0\r\n',
  )
})

test('days without calls have a bar too, over the end of a month', () => {
  const days = everyDay([row('2026-10-31')], 3, new Date(2026, 10, 2, 0, 30).getTime())
  expect(days.map((d) => [d.key, d.row?.sum.calls])).toEqual([
    ['2026-10-31', 3],
    ['2026-11-01', undefined],
    ['2026-11-02', undefined],
  ])
})

test('one of a thing is said as one', () => {
  const one = { ...row('ann'), sum: { ...row('ann').sum, calls: 1, input_tokens: 1, output_tokens: 0 } }
  expect(told(one, 'calls').text).toBe('1 call')
  expect(told(one, 'tokens').text).toBe('1 token')
  expect(told(row('ann'), 'calls').text).toBe('3 calls')
})

test.each([
  ['hour', 'an hour'],
  ['day', 'a day'],
  ['month', 'a month'],
] as const)('a budget by the %s is one of so much %s', (of, words) => expect(per(of)).toBe(words))
