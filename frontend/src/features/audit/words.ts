import type { Schema } from '../../api/client'
import { count, counted, time } from '../../components/format'
import type { Level } from '../../components/Severity'

type Verification = Schema<'LedgerVerification'>

/** Entries [from, to) in words. */
export function range(from: number, to: number): string {
  return to <= from + 1 ? `entry #${from}` : `entries #${from} to #${to - 1}`
}

/** So many entries. */
export const entries = (n: number) => counted(n, 'entry', 'entries')

/** How far a second place reaches. Of an anchor that cannot be asked it is not known what it holds. */
export function anchoring(s: Pick<Schema<'LedgerStatus'>, 'anchors' | 'next'>): { value: string; note: string; why: string } {
  const anchors = s.anchors ?? []
  if (anchors.length === 0) return { value: 'nowhere', note: 'audit.anchors names no second place', why: '' }
  const to = Math.max(...anchors.map((a) => a.size))
  const away = anchors.filter((a) => a.error)
  const value = to > 0 ? `to #${to - 1}` : away.length > 0 ? 'not known' : 'none yet'
  if (away.length > 0) {
    const note = `${count(away.length)} of ${counted(anchors.length, 'anchor')} cannot be reached`
    return { value, note, why: away.map((a) => `${a.name}: ${a.error}`).join('; ') }
  }
  const wait = Math.max(0, s.next - to)
  const who = wait === 0 ? 'no entry waits' : `${entries(wait)} ${wait === 1 ? 'waits' : 'wait'}`
  return { value, note: `${who} for it`, why: '' }
}

/** What a verification found, in a sentence. */
export function outcome(v: Verification): { level: Level; sentence: string } {
  const first = v.problems?.[0]
  if (first)
    return {
      level: 'critical',
      sentence: `The ledger is not what was written. The first bad one is ${range(first.seq, first.seq)}: ${first.text}.`,
    }
  if (v.size <= v.from) return { level: 'ok', sentence: 'The ledger is whole; it holds no entry.' }
  return { level: 'ok', sentence: `The ledger is whole: ${range(v.from, v.size)} are what was written.` }
}

export type Finding = { level: Level; title: string; text: string }

/** The parts of what was found: how far a second place and a signature reach, and what is gone on record. */
export function findings(v: Verification): Finding[] {
  const out: Finding[] = []
  for (const p of v.problems ?? []) out.push({ level: 'critical', title: range(p.seq, p.end), text: p.text })
  const reach = (to: number) => Math.min(Math.max(to, v.from), v.size)
  const anchored = reach(v.anchored)
  const signed = reach(v.signed)
  if (anchored > v.from)
    out.push({
      level: 'ok',
      title: `Anchored: ${range(v.from, anchored)}`,
      text: 'A second place holds a signed head that covers them: nobody can change them unseen.',
    })
  if (signed > anchored)
    out.push({
      level: 'notice',
      title: `Signed, not anchored: ${range(anchored, signed)}`,
      text: 'No second place has seen them yet. Who holds all keys of this machine could rewrite them unseen.',
    })
  if (v.size > Math.max(signed, anchored))
    out.push({
      level: 'notice',
      title: `Not signed yet: ${range(Math.max(signed, anchored), v.size)}`,
      text: 'They are too new: a head is signed every 1000 entries, after a minute, and at the end.',
    })
  for (const g of v.gaps ?? [])
    out.push({
      level: 'warning',
      title: g.calls === 1 ? 'One call went by unrecorded' : `${count(g.calls)} calls went by unrecorded`,
      text: `From ${time(g.from)} to ${time(g.to)}, as was noted afterwards: ${g.reason}`,
    })
  for (const l of v.lost ?? [])
    out.push({ level: 'warning', title: `Given up: ${range(l.from, l.to)}`, text: `The second place has seen them: ${l.why}` })
  for (const was of v.earlier ?? [])
    out.push({
      level: 'warning',
      title: `An earlier ledger, ${was}`,
      text: 'The second place has seen it, and its entries are not here. Where that was neither damage nor your own doing, somebody took them away.',
    })
  if (v.from > 0)
    out.push({
      level: 'ok',
      title: `Removed on record: entries below #${v.from}`,
      text: 'By the limits audit.keep_entries or audit.max_entries.',
    })
  if (v.erased)
    out.push({
      level: 'ok',
      title: `Erased on record: ${entries(v.erased)}`,
      text: 'Their keys were destroyed because somebody asked for it.',
    })
  if (v.removed)
    out.push({ level: 'ok', title: `Texts removed on record: of ${entries(v.removed)}`, text: 'By the limit of their age or size.' })
  return out
}

const kinds: Record<string, string> = {
  call: 'Call',
  begin: 'Ledger begun',
  gap: 'Calls unrecorded',
  erase: 'Erasure',
  retention: 'Texts removed',
  prune: 'Entries removed',
  'rotate-key': 'Top key exchanged',
  restore: 'Backup restored',
  operator: 'Operator',
}

/** What an entry is of. */
export const kind = (name: string) => kinds[name] ?? name

/** All that may be noted of a call, with words for it. */
export const flags = [
  { value: 'cache-hit', label: 'from the cache' },
  { value: 'fallback', label: 'another target answered' },
  { value: 'retried', label: 'tried more than once' },
  { value: 'last-resort', label: 'last resort' },
  { value: 'refused', label: 'refused' },
  { value: 'broken', label: 'broke off' },
  { value: 'caller-left', label: 'caller left' },
  { value: 'streamed', label: 'streamed' },
  { value: 'left-device', label: 'left this device' },
  { value: 'redacted', label: 'something was hidden' },
  { value: 'blocked', label: 'refused by the guard' },
  { value: 'secret', label: 'a secret was found' },
  { value: 'pii', label: 'personal data was found' },
  { value: 'injection', label: 'an injection was found' },
  { value: 'over-budget', label: 'over a budget' },
  { value: 'estimated', label: 'tokens counted here' },
  { value: 'cost-unknown', label: 'cost not known' },
  { value: 'odd-counts', label: 'odd token counts' },
  { value: 'content', label: 'text was kept' },
  { value: 'content-short', label: 'text was cut' },
]

export const flagWord = (name: string) => flags.find((f) => f.value === name)?.label ?? name
