import { get } from '../../api/query'

/** The conditions. Changes come by events; the texts of those that stay as they are hold figures that move. */
export const healthQuery = { ...get('/control/v1/health'), refetchInterval: 15_000 }
