import { expect, test } from 'vitest'
import { asked, chosen, exportAddress, proofAddress, readFilter } from './filter'

const now = Date.parse('2026-11-23T12:00:00Z')
const read = (query: string) => readFilter(new URLSearchParams(query))

test('an address gives the filter; what is no time is left out', () => {
  expect(chosen(read('hours=24&user=ann&nonsense=1'))).toBe(2)
  expect(read('hours=soon&from=2026-01-01T00:00').hours).toBe('')
  expect(read('hours=24&from=2026-01-01T00:00').from).toBe('')
})

test('the last day is reckoned from now; between two times is of this zone', () => {
  expect(asked(read('hours=24&flag=fallback'), now)).toMatchObject({ from: '2026-11-22T12:00:00.000Z', to: undefined, flag: ['fallback'] })
  const between = asked(read('hours=between&from=2026-11-01T08:00&to=never'), now)
  expect(between.from).toBe(new Date('2026-11-01T08:00').toISOString())
  expect(between.to).toBeUndefined()
})

test('a file has the same filter as the list', () => {
  expect(exportAddress(read('user=a%26b&flag=broken'), 'ocsf', now)).toBe('/control/v1/audit/export?format=ocsf&user=a%26b&flag=broken')
  expect(proofAddress(7, false)).toBe('/control/v1/audit/entries/%237/proof')
  expect(proofAddress(7, true)).toMatch(/\?reveal=true$/)
})
