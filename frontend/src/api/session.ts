import { queryOptions } from '@tanstack/react-query'
import { client, unwrap, useToken } from './client'

/** Whether this browser is logged in. With the answer comes what each change must carry. */
export const sessionQuery = queryOptions({
  queryKey: ['/control/v1/session'],
  queryFn: async ({ signal }) => {
    const login = unwrap(await client.GET('/control/v1/session', { signal }))
    useToken(login.csrf ?? '')
    return login
  },
  refetchInterval: 60_000, // it may end while the page is open
})

/**
 * Tells `begin` when this browser is about to log out: what is asked for from then on would be refused. Then `leave`, when it has: what was
 * shown is nobody's any more; or `stay`, when it could not.
 */
export const leaving = new EventTarget()

/** Logs this browser in by the code of a one-time link. */
export async function logIn(code: string) {
  useToken(unwrap(await client.POST('/control/v1/session', { body: { code } })).csrf ?? '')
}

/** Logs this browser out. */
export async function logOut() {
  leaving.dispatchEvent(new Event('begin'))
  try {
    unwrap(await client.DELETE('/control/v1/session'))
  } catch (error) {
    leaving.dispatchEvent(new Event('stay'))
    throw error
  }
  leaving.dispatchEvent(new Event('leave'))
}
