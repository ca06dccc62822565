import { expect, test } from 'vitest'
import type { Schema } from '../../api/client'
import { anchoring, findings, outcome, range } from './words'

const whole: Schema<'LedgerVerification'> = {
  origin: 'corral/1',
  from: 0,
  size: 10,
  problems: [],
  anchored: 6,
  signed: 8,
  heads: 2,
  older: 0,
}
const titles = (v: Schema<'LedgerVerification'>) => findings(v).map((f) => f.title)

test('ranges', () => {
  expect(range(3, 4)).toBe('entry #3')
  expect(range(3, 6)).toBe('entries #3 to #5')
})

test('a whole ledger: what is anchored, signed and neither', () => {
  expect(outcome(whole)).toEqual({ level: 'ok', sentence: 'The ledger is whole: entries #0 to #9 are what was written.' })
  expect(titles(whole)).toEqual([
    'Anchored: entries #0 to #5',
    'Signed, not anchored: entries #6 to #7',
    'Not signed yet: entries #8 to #9',
  ])
  expect(titles({ ...whole, anchored: 10, signed: 10 })).toEqual(['Anchored: entries #0 to #9'])
  expect(titles({ ...whole, anchored: 0, signed: 0 })).toEqual(['Not signed yet: entries #0 to #9'])
  expect(outcome({ ...whole, size: 0 }).sentence).toContain('no entry')
})

test('anchors that know more than is there reach no further than the ledger', () => {
  expect(titles({ ...whole, anchored: 20, signed: 20 })).toEqual(['Anchored: entries #0 to #9'])
})

test('the first bad entry is named, and each problem', () => {
  const v = {
    ...whole,
    problems: [
      { seq: 4, end: 5, kind: 'edited', text: 'it was edited' },
      { seq: 8, end: 10, kind: 'cut', text: 'cut off' },
    ],
  }
  expect(outcome(v)).toEqual({
    level: 'critical',
    sentence: 'The ledger is not what was written. The first bad one is entry #4: it was edited.',
  })
  expect(titles(v).slice(0, 2)).toEqual(['entry #4', 'entries #8 to #9'])
})

test('what is gone on record is said, and is no problem', () => {
  const v = {
    ...whole,
    from: 2,
    erased: 3,
    removed: 4,
    earlier: ['corral/0'],
    gaps: [{ calls: 1, from: '2026-01-01T00:00:00Z', to: '2026-01-01T00:01:00Z', reason: 'disk full' }],
  } as unknown as Schema<'LedgerVerification'>
  const all = findings(v)
  expect(all.map((f) => f.title)).toEqual(
    expect.arrayContaining([
      'One call went by unrecorded',
      'An earlier ledger, corral/0',
      'Removed on record: entries below #2',
      'Erased on record: 3 entries',
      'Texts removed on record: of 4 entries',
    ]),
  )
  expect(all.some((f) => f.level === 'critical')).toBe(false)
})

const anchors = (next: number, ...list: { size: number; error?: string }[]) =>
  anchoring({ next, anchors: list.map((a) => ({ name: 'file', ...a })) } as Schema<'LedgerStatus'>)

test('how far a second place reaches, as far as that is known', () => {
  expect(anchors(130, { size: 129 })).toEqual({ value: 'to #128', note: '1 entry waits for it', why: '' })
  expect(anchors(130, { size: 0 })).toEqual({ value: 'none yet', note: '130 entries wait for it', why: '' })
  expect(anchors(0, { size: 0 })).toEqual({ value: 'none yet', note: 'no entry waits for it', why: '' })
  // One that cannot be asked may have them all.
  expect(anchors(130, { size: 0, error: 'the disk is away' })).toEqual({
    value: 'not known',
    note: '1 of 1 anchor cannot be reached',
    why: 'file: the disk is away',
  })
  expect(anchors(130, { size: 100 }, { size: 0, error: 'it is off' })).toMatchObject({
    value: 'to #99',
    note: '1 of 2 anchors cannot be reached',
  })
  expect(anchors(130)).toEqual({ value: 'nowhere', note: 'audit.anchors names no second place', why: '' })
})

test('one entry is no entries', () => {
  expect(titles({ ...whole, erased: 1, removed: 1 } as never)).toEqual(
    expect.arrayContaining(['Erased on record: 1 entry', 'Texts removed on record: of 1 entry']),
  )
})
