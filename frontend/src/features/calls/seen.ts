/** Rows kept in the document above and below those that are seen, and the step by which they change while one scrolls. */
const beyond = 12
const step = 8

/** The rows, of one height in pixels, that stand in the document: those that are seen and a few around them, `from` up to before `to`. */
export function seen(scrolled: number, visible: number, height: number, count: number): { from: number; to: number } {
  const from = Math.floor((scrolled / height - beyond) / step) * step
  const to = Math.ceil(((scrolled + visible) / height + beyond) / step) * step
  return { from: Math.max(0, Math.min(from, count)), to: Math.max(0, Math.min(to, count)) }
}

/** How far down a list must be scrolled, at least or at most, so that row i is seen whole below a head that stays. In pixels. */
export function scrolledTo(i: number, scrolled: number, visible: number, height: number, head: number): number {
  return Math.max(Math.min(scrolled, i * height), head + (i + 1) * height - visible)
}
