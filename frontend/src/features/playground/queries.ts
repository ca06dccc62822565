import { get } from '../../api/query'

/** The models that can be asked. They are looked at anew when the page is opened: one may have been pulled. */
export const choicesQuery = () => ({ ...get('/control/v1/try'), staleTime: 5_000 })
