import { expect, test } from 'vitest'
import { grown, type History, matches, merged, noFilter, noHistory, type Row, readFilter } from './rows'

const row = (id: string, at: number, more: Partial<Row> = {}): Row => ({
  id,
  at,
  asked: 'chat',
  answered: 'llama3.2',
  provider: 'local',
  route: 'default',
  status: 200,
  code: '',
  ms: 5,
  input: 1,
  output: 1,
  cost: 0,
  flags: [],
  app: 'notes',
  user: 'ann',
  live: false,
  text: '',
  ...more,
})

const read = (rows: Row[]): History => ({ pages: [], rows, ids: new Set(rows.map((r) => r.id)) })

test('a call that both the feed and the ledger know stands once, and all are newest first', () => {
  const history = read([row('c', 30), row('b', 20), row('a', 10)])
  const live = [row('c', 30, { live: true }), row('e', 50), row('d', 25), row('e', 50)]
  expect(merged(live, history).map((r) => r.id)).toEqual(['e', 'c', 'd', 'b', 'a'])
})

test('a hundred thousand calls stay as they are when nothing is new, and are whole when something is', () => {
  const history = read(Array.from({ length: 100_000 }, (_, i) => row(`h${i}`, 1e6 - i)))
  expect(merged([row('h5', 1, { live: true })], history)).toBe(history.rows)
  const live = Array.from({ length: 5_000 }, (_, i) => row(`l${i}`, 2e6 + i))
  expect(merged(live, history)).toHaveLength(105_000)
})

test('a page more leaves the calls that were read as they are', () => {
  const entry = (id: string) => ({ seq: 1, request_id: id, time: '2026-01-02T03:04:05Z', tokens: { input: 1, output: 1 } }) as never
  const [first, second] = [[entry('b')], [entry('a')]]
  const one = grown(noHistory, [first])
  const two = grown(one, [first, second])
  expect(two.rows.map((r) => r.id)).toEqual(['b', 'a'])
  expect(two.rows[0]).toBe(one.rows[0])
  expect([...two.ids]).toEqual(['b', 'a'])
  expect(grown(two, [first, second, []]).rows).toBe(two.rows)
  expect(grown(two, [second]).rows.map((r) => r.id)).toEqual(['a']) // another filter
})

test.each([
  [{ model: 'llama3.2' }, true],
  [{ model: 'chat' }, true],
  [{ model: 'llama' }, false],
  [{ user: 'bob' }, false],
  [{ status: '200', app: 'notes' }, true],
  [{ flag: 'cache-hit' }, false],
  [{ request: 'a' }, true],
  [{ hours: '1' }, false],
])('the filter %o', (f, fits) => expect(matches(row('a', 0), { ...noFilter, ...f }, 3_600_001)).toBe(fits))

test('an address that somebody made up gives no filter that the ledger refuses', () => {
  expect(readFilter(new URLSearchParams('status=abc&hours=-1&model=x&evil=1'))).toEqual({ ...noFilter, model: 'x' })
})
