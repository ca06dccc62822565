import type { Sample } from './figures'

/** How many samples of the machine are held: at one each five seconds, ten minutes. */
const keep = 120

let samples: readonly Sample[] = []

/** The samples with a new one, if it is new. They outlive the page, so that coming back to it does not begin anew. */
export function remember(s: Sample): readonly Sample[] {
  if ((samples.at(-1)?.at ?? 0) < s.at) samples = [...samples.slice(-(keep - 1)), s]
  return samples
}
