import { expect, test } from 'vitest'
import { bytes, count, counted, day, duration, exactTime, exactUsd, percent, time, tokens, usd } from './format'

test.each([
  [null, '–'],
  [undefined, '–'],
  [0, '$0.00'],
  [220, '<$0.0001'],
  [-220, '>-$0.0001'],
  [12_300_000, '$0.0123'],
  [1_234_567_000_000, '$1,234.57'],
])('%s nano-dollars are %s', (nano, text) => expect(usd(nano)).toBe(text))

test('the exact amount has all its places', () => expect(exactUsd(220)).toBe('0.000000220 USD'))

test.each([
  [undefined, '–'],
  [0, '0 ms'],
  [0.3, '<1 ms'],
  [999, '999 ms'],
  [1500, '1.5 s'],
  [59_970, '1 min 0 s'],
  [61_000, '1 min 1 s'],
  [119_600, '2 min 0 s'],
  [3_660_000, '1 h 1 min'],
  [90_000_000, '1 d 1 h'],
])('%s ms are %s', (ms, text) => expect(duration(ms)).toBe(text))

test.each([
  [0.5, '50%'],
  [0.9995, '99.95%'],
  [1, '100%'],
  [0.0001, '<0.1%'],
  [0, '0%'],
  [null, '–'],
])('the share %s is %s', (n, text) => expect(percent(n)).toBe(text))

test('sizes and counts', () => {
  expect(bytes(1023)).toBe('1,023 B')
  expect(bytes(1.5 * 1024 ** 3)).toBe('1.5 GiB')
  expect(count(99_999)).toBe('99,999')
  expect(count(1_250_000)).toBe('1.3M')
  expect(tokens(-1)).toBe('–')
})

test('one thing is no things', () => {
  expect(counted(1, 'call')).toBe('1 call')
  expect(counted(0, 'call')).toBe('0 calls')
  expect(counted(1_200, 'entry', 'entries')).toBe('1,200 entries')
})

test('a time of today is the clock; of another day it has the day; whole it names the instant', () => {
  const noon = Date.parse('2026-11-23T12:00:00Z')
  expect(time(noon, noon)).not.toMatch(/Nov/)
  expect(time(noon - 3 * 86_400_000, noon)).toMatch(/Nov/)
  expect(exactTime(noon)).toContain('2026-11-23T12:00:00.000Z')
  expect(day('2026-11-23')).toBe('Nov 23')
  expect(day('(none)')).toBe('(none)')
})
