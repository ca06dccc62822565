import { get } from '../../api/query'

export const dimensions = [
  { value: 'model', label: 'Model' },
  { value: 'app', label: 'App' },
  { value: 'user', label: 'User' },
  { value: 'provider', label: 'Provider' },
  { value: 'day', label: 'Day' },
] as const

export type Dimension = (typeof dimensions)[number]['value']

/** What was used since the beginning of a day that many days ago, in this browser's zone. 1: today. */
export function usageQuery(by: Dimension, days: number, now: number) {
  const from = new Date(now)
  from.setHours(0, 0, 0, 0)
  from.setDate(from.getDate() - (days - 1))
  return get('/control/v1/usage', { by, from: from.toISOString(), zone: Intl.DateTimeFormat().resolvedOptions().timeZone })
}

export const budgetsQuery = get('/control/v1/budgets')
