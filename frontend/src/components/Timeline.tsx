import { Text } from '@mantine/core'
import type { Journey } from '../api/journey'
import { duration } from './format'
import { causeWords, routeWords } from './route'
import classes from './Timeline.module.css'

const names = {
  admit: 'Let in',
  read: 'Request read',
  guard: 'Text looked at',
  route: 'Targets found',
  cache: 'Cache looked at',
  allow: 'Budget and machine asked',
  write: 'Answer written',
} as const

type Row = { name: string; note?: string; from: number; to: number; kind: 'step' | 'try' | 'failed' | 'write' }

/** A journey as rows in the order in which they happened. */
export function rowsOf(j: Journey): Row[] {
  const rows: Row[] = []
  const write: Row[] = []
  for (const s of j.steps ?? []) {
    const row: Row = { name: names[s.name] ?? s.name, from: s.from_ms, to: s.to_ms, kind: s.name === 'write' ? 'write' : 'step' }
    if (s.name === 'write') write.push(row)
    else rows.push(row)
  }
  for (const t of j.tries ?? []) {
    const target = [t.provider, t.model].filter(Boolean).join('/')
    const begun = t.from_ms + (t.queued_ms ?? 0)
    if (t.queued_ms) rows.push({ name: `Waited for a place at ${t.provider}`, from: t.from_ms, to: begun, kind: 'step' })
    const left = t.away ? ` Its text went to ${t.away}.` : ''
    rows.push(
      t.cause
        ? {
            name: `${target} ${causeWords(t.cause)}`,
            note: t.asked ? undefined : 'It was not asked.',
            from: begun,
            to: t.to_ms,
            kind: 'failed',
          }
        : { name: `${target} answered`, note: `${routeWords(t.why)}${left}`, from: begun, to: t.to_ms, kind: 'try' },
    )
  }
  return [...rows, ...write]
}

/** How a call went, stage by stage. */
export function Timeline({ journey: j }: { journey: Journey }) {
  if (!j.kept) {
    return (
      <Text size="sm" c="dimmed">
        {j.why}
      </Text>
    )
  }
  const rows = rowsOf(j)
  const whole = Math.max(j.total_ms, ...rows.map((r) => r.to), 0.001)
  return (
    <ol className={classes.rows} aria-label="How the call went">
      {rows.map((r) => (
        <li key={`${r.name}${r.from}`} className={classes.row} title={`from ${r.from} ms to ${r.to} ms`}>
          <span className={classes.name}>
            {r.name}
            {r.note && <span className={classes.note}>{r.note}</span>}
          </span>
          <span className={classes.took}>{duration(r.to - r.from)}</span>
          <span className={classes.track} aria-hidden>
            <span
              className={classes.bar}
              data-kind={r.kind}
              style={{ left: `${(r.from / whole) * 100}%`, width: `${((r.to - r.from) / whole) * 100}%` }}
            />
          </span>
        </li>
      ))}
      <li className={classes.row}>
        <span className={classes.name}>In all</span>
        <span className={classes.took}>{duration(j.total_ms)}</span>
      </li>
    </ol>
  )
}
