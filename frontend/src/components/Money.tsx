import { exactUsd, usd } from './format'

/** Billionths of a US dollar, with all places on hover. */
export function Money({ nano }: { nano: number | null | undefined }) {
  return <span title={exactUsd(nano)}>{usd(nano)}</span>
}
