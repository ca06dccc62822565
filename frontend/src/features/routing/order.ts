import { type Edit, named, type Target } from './queries'

/** The list with one entry at another place. */
export function moved<T>(list: readonly T[], from: number, to: number): T[] {
  const out = [...list]
  const [item] = out.splice(from, 1)
  if (item !== undefined) out.splice(Math.max(0, Math.min(to, out.length)), 0, item)
  return out
}

/** The moves that make one order of a model's targets of another, so that comments in the file go with their lines. */
export function moves(model: string, from: readonly Target[], to: readonly Target[]): Edit[] {
  const list = [...from]
  const edits: Edit[] = []
  to.forEach((want, i) => {
    const at = list.findIndex((t, j) => j >= i && t.provider === want.provider && t.model === want.model)
    if (at <= i) return
    edits.push({ op: 'move', path: `${named('models', model)}.targets[${at}]`, to: i })
    list.splice(i, 0, ...list.splice(at, 1))
  })
  return edits
}
