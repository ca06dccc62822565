import type { Schema } from '../../api/client'
import { counted, usd } from '../../components/format'

type Row = Schema<'UsageRow'>

/** What the charts show. */
export const measures = [
  { value: 'cost', label: 'Spent' },
  { value: 'saved', label: 'Saved' },
  { value: 'tokens', label: 'Tokens' },
  { value: 'calls', label: 'Calls' },
] as const

export type Measure = (typeof measures)[number]['value']

/** A row's share of a chart, and how it is said. */
export function told({ sum: s }: Row, measure: Measure): { value: number; text: string } {
  if (measure === 'cost') return { value: s.cost_nano_usd, text: usd(s.cost_nano_usd) }
  if (measure === 'saved') return { value: s.saved_nano_usd, text: usd(s.saved_nano_usd) }
  if (measure === 'tokens') return { value: s.input_tokens + s.output_tokens, text: counted(s.input_tokens + s.output_tokens, 'token') }
  return { value: s.calls, text: counted(s.calls, 'call') }
}

/** The time of a budget, as one says how much of it there is: an hour, a day. */
export const per = (time: Schema<'Balance'>['per']) => `${time === 'hour' ? 'an' : 'a'} ${time}`

/** One field of a CSV line (RFC 4180). A text that a spreadsheet would take for a formula gets an apostrophe before it: names come from callers. */
export function field(value: string | number): string {
  if (typeof value === 'number') return String(value)
  const safe = /^[=+\-@\t\r]/.test(value) ? `'${value}` : value
  return /[",\r\n]/.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe
}

/** The rows as a CSV file, amounts in whole US dollars with nine places. */
export function csv(by: string, rows: readonly Row[]): string {
  const head = [
    by,
    'calls',
    'errors',
    'cache_hits',
    'input_tokens',
    'output_tokens',
    'cost_usd',
    'baseline_usd',
    'saved_usd',
    'calls_of_unknown_cost',
  ]
  const lines = rows.map(({ key, sum: s }) =>
    [
      key,
      s.calls,
      s.errors,
      s.cache_hits,
      s.input_tokens,
      s.output_tokens,
      ...[s.cost_nano_usd, s.baseline_nano_usd, s.saved_nano_usd].map((n) => Number((n / 1e9).toFixed(9))),
      s.unpriced_calls,
    ]
      .map(plain)
      .map(field)
      .join(','),
  )
  return `${[head.join(','), ...lines].join('\r\n')}\r\n`
}

/** Small amounts without an exponent, which spreadsheets in some languages do not read. */
const plain = (v: string | number) => (typeof v === 'number' && !Number.isInteger(v) && Math.abs(v) < 1e-6 ? v.toFixed(9) : v)

/** One bar for each day to now, those without calls too: the report leaves them out. */
export function everyDay(rows: readonly Row[], days: number, now: number): { key: string; row?: Row }[] {
  const byKey = new Map(rows.map((r) => [r.key, r]))
  const out: { key: string; row?: Row }[] = []
  for (let i = days - 1; i >= 0; i--) {
    const d = new Date(now)
    d.setDate(d.getDate() - i)
    const key = `${d.getFullYear()}-${String(d.getMonth() + 1).padStart(2, '0')}-${String(d.getDate()).padStart(2, '0')}`
    out.push({ key, row: byKey.get(key) })
  }
  return out
}
