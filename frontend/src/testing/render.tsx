import { MantineProvider } from '@mantine/core'
import { QueryClient, QueryClientProvider } from '@tanstack/react-query'
import { render } from '@testing-library/react'
import type { ReactNode } from 'react'
import { MemoryRouter } from 'react-router'
import { vi } from 'vitest'
import { resolver, theme } from '../app/theme'

/** Shows a part of the page with all that stands around it, and answers its requests: by path, a body or an error's status. */
export function show(what: ReactNode, answers: Record<string, unknown> = {}, at = '/') {
  const asked: Request[] = []
  vi.stubGlobal('fetch', async (request: Request) => {
    asked.push(request)
    const body = answers[`${request.method} ${new URL(request.url).pathname}`]
    if (typeof body === 'number') return Response.json({ detail: `refused with ${body}` }, { status: body })
    if (body === undefined) return Response.json({ detail: 'no such route' }, { status: 404 })
    return Response.json(body)
  })
  const queries = new QueryClient({ defaultOptions: { queries: { retry: false } } })
  render(
    <MantineProvider theme={theme} cssVariablesResolver={resolver} env="test">
      <QueryClientProvider client={queries}>
        <MemoryRouter initialEntries={[at]}>{what}</MemoryRouter>
      </QueryClientProvider>
    </MantineProvider>,
  )
  return asked
}
