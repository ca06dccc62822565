import type { Schema } from '../../api/client'

type Condition = Schema<'Condition'>

const rank = { critical: 0, warning: 1, notice: 2, ok: 3 } as const

/** The conditions in three lists: what needs somebody, the worst first; what is well; what cannot be seen on this machine. */
export function sorted(conditions: readonly Condition[]) {
  const seen = conditions.filter((c) => !c.absent)
  return {
    bad: seen.filter((c) => c.severity !== 'ok').sort((a, b) => rank[a.severity] - rank[b.severity]),
    well: seen.filter((c) => c.severity === 'ok'),
    unseen: conditions.filter((c) => c.absent),
  }
}
