import { screen, waitFor } from '@testing-library/react'
import userEvent from '@testing-library/user-event'
import type { ComponentType } from 'react'
import { describe, expect, test } from 'vitest'
import { show } from '../testing/render'
import { Page as Cache } from './cache/Cache'
import { Page as Calls } from './calls/Calls'
import { Page as Costs } from './costs/Costs'
import { Page as Health } from './health/Health'
import { Page as Overview } from './overview/Overview'

const base = '/control/v1'
const sum = {
  calls: 0,
  errors: 0,
  refused: 0,
  cache_hits: 0,
  input_tokens: 0,
  output_tokens: 0,
  unpriced_calls: 0,
  cost_nano_usd: 0,
  baseline_nano_usd: 0,
  saved_nano_usd: 0,
}
const usage = { from: '', to: '', by: 'model', total: sum, before: sum, trend: { calls: null, tokens: null, cost: null }, rows: [] }
const stats = {
  entries: 0,
  bytes: 0,
  max_bytes: 1,
  lookups: 0,
  memory_hits: 0,
  file_hits: 0,
  flight_hits: 0,
  similar_hits: 0,
  hit_rate: 0,
  saved_tokens: 0,
  saved_seconds: 0,
  saved_nano_usd: 0,
}
const health = { severity: 'ok', ready: true, conditions: [], machine: { absent: {} } }

// A Corral that has done nothing yet.
const empty = {
  [`GET ${base}/health`]: health,
  [`GET ${base}/status`]: { providers: [], models: [], conditions: [] },
  [`GET ${base}/targets`]: { targets: [], queues: [] },
  [`GET ${base}/slo`]: { at: '', windows: [], burns: [] },
  [`GET ${base}/usage`]: usage,
  [`GET ${base}/budgets`]: { budgets: [] },
  [`GET ${base}/cache`]: stats,
  [`GET ${base}/cache/items`]: { items: [], all: 0 },
  [`GET ${base}/audit/entries`]: { entries: [] },
}
const failing = Object.fromEntries(Object.keys(empty).map((k) => [k, 503]))

const pages: [string, ComponentType, string][] = [
  ['Overview', Overview, 'No target was used yet'],
  ['Calls', Calls, 'No calls yet'],
  ['Cache', Cache, 'No answer is kept'],
  ['Costs', Costs, 'There is no budget'],
  ['Health', Health, 'Nothing'],
]

describe.each(pages)('%s', (title, Page, nothing) => {
  test('says that it loads', () => {
    show(<Page />, empty)
    expect(screen.getByRole('heading', { level: 1, name: title })).toBeTruthy()
    expect(screen.getAllByRole('status', { name: 'Loading' }).length).toBeGreaterThan(0)
  })

  test('says that there is nothing yet', async () => {
    show(<Page />, empty)
    expect(await screen.findByText(nothing)).toBeTruthy()
    await waitFor(() => expect(screen.queryByRole('status', { name: 'Loading' })).toBeNull())
  })

  test('says why it failed, and tries again', async () => {
    const asked = show(<Page />, failing)
    expect((await screen.findAllByText('refused with 503')).length).toBeGreaterThan(0)
    const before = asked.length
    await userEvent.click(screen.getAllByRole('button', { name: 'Try again' })[0] as HTMLElement)
    await waitFor(() => expect(asked.length).toBeGreaterThan(before))
  })
})

test('a condition comes with what mends it; what cannot be seen is not among what is well', async () => {
  const since = '2026-11-23T12:00:00Z'
  show(<Health />, {
    ...empty,
    [`GET ${base}/health`]: {
      ...health,
      severity: 'critical',
      conditions: [
        { code: 'clock', title: 'Clock', severity: 'ok', text: 'it goes', since },
        { code: 'load', title: 'Load', severity: 'notice', text: 'much', since },
        {
          code: 'provider',
          subject: 'local',
          title: 'Model server',
          severity: 'critical',
          text: 'nobody answers',
          do: 'ollama serve',
          since,
        },
        { code: 'swap', title: 'Swap', severity: 'ok', text: '', absent: 'no swap', since },
      ],
    },
  })
  expect(await screen.findByText('ollama serve')).toBeTruthy()
  expect(screen.getAllByText(/Model server: local|Load$/).map((e) => e.textContent)).toEqual(['Model server: local', 'Load'])
  expect(screen.getByText('What is well (1)')).toBeTruthy()
  expect(screen.getByText('What cannot be seen here (1)')).toBeTruthy()
})

test('kept answers are removed only after a question, and only those of the filter', async () => {
  const asked = show(<Cache />, {
    ...empty,
    [`GET ${base}/cache/items`]: {
      all: 1,
      items: [
        {
          id: 'abcdef0123',
          asked: 'llama3.2',
          endpoint: 'chat',
          stored: '2026-11-23T12:00:00Z',
          expires: '2026-11-23T13:00:00Z',
          bytes: 10,
          tokens: 3,
          took_ms: 5,
          tier: 'memory',
        },
      ],
    },
    [`DELETE ${base}/cache/items`]: { removed: 1 },
  })
  await userEvent.type(await screen.findByLabelText('Model'), 'llama*')
  await userEvent.click(await screen.findByRole('button', { name: 'Remove these' }))
  expect(asked.some((r) => r.method === 'DELETE')).toBe(false)
  await userEvent.click(await screen.findByRole('button', { name: 'Remove' }))
  expect(await screen.findByText('One answer was removed.')).toBeTruthy()
  expect(asked.filter((r) => r.method === 'DELETE').map((r) => new URL(r.url).search)).toEqual(['?model=llama*'])
})
