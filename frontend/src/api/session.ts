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

/** Tells `leave` when this browser logs out: what was shown is nobody's any more. */
export const leaving = new EventTarget()

/** Logs this browser in by the code of a one-time link. */
export async function logIn(code: string) {
  useToken(unwrap(await client.POST('/control/v1/session', { body: { code } })).csrf ?? '')
}

/** Logs this browser out. */
export async function logOut() {
  unwrap(await client.DELETE('/control/v1/session'))
  leaving.dispatchEvent(new Event('leave'))
}
