import { afterEach, expect, test, vi } from 'vitest'
import { leaving, logOut } from './session'

afterEach(() => vi.unstubAllGlobals())

/** What is told while this browser logs out, and when the daemon is asked. */
async function told(status: number) {
  const all: string[] = []
  vi.stubGlobal('fetch', async (request: Request) => {
    all.push(request.method)
    return status === 204 ? new Response(null, { status }) : Response.json({ detail: 'no' }, { status })
  })
  const note = (e: Event) => all.push(e.type)
  for (const type of ['begin', 'leave', 'stay']) leaving.addEventListener(type, note)
  await logOut().catch(() => all.push('failed'))
  for (const type of ['begin', 'leave', 'stay']) leaving.removeEventListener(type, note)
  return all
}

test('who logs out is told before the daemon is asked, so that nothing is asked for that would be refused', async () => {
  expect(await told(204)).toEqual(['begin', 'DELETE', 'leave'])
})

test('who cannot log out goes on', async () => {
  expect(await told(500)).toEqual(['begin', 'DELETE', 'stay', 'failed'])
})
