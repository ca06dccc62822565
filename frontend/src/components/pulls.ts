import type { Schema } from '../api/client'
import { bytes, duration } from './format'

export type Pull = Schema<'LibraryPull'>

export const isOver = (p: Pull) => p.state !== 'waiting' && p.state !== 'running'

/** How far a pull is, in words. */
export function words(p: Pull): string {
  switch (p.state) {
    case 'waiting':
      return 'Waits until another one is through'
    case 'done':
      return p.total ? `It is there: ${bytes(p.total)}` : 'It is there'
    case 'cancelled':
      return 'Cancelled; pulled again, it goes on where it stopped'
    case 'failed':
      return 'Failed'
  }
  if (!p.total) return 'Asking the registry'
  if (p.done >= p.total) return 'Checking what came'
  const parts = [`${bytes(p.done)} of ${bytes(p.total)}`]
  if (p.speed) parts.push(`${bytes(p.speed)}/s`)
  if (p.left) parts.push(`${duration(Math.ceil(p.left) * 1000)} left`)
  return parts.join(' · ')
}

/** Of 100. */
export const share = (p: Pull) => (p.total ? Math.min(100, (100 * p.done) / p.total) : 0)
