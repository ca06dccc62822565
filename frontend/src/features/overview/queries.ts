import { get } from '../../api/query'

/** How often the machine is looked at while it is shown, in milliseconds. */
export const machineEvery = 5_000

export const healthQuery = { ...get('/control/v1/health'), refetchInterval: machineEvery }
export const statusQuery = get('/control/v1/status')
export const targetsQuery = get('/control/v1/targets')
export const levelsQuery = { ...get('/control/v1/slo'), refetchInterval: 60_000 }

/** What was used since midnight in this browser's zone. */
export function todayQuery(now: number) {
  const midnight = new Date(now)
  midnight.setHours(0, 0, 0, 0)
  return get('/control/v1/usage', { from: midnight.toISOString(), by: 'hour' })
}
