import { screen, within } from '@testing-library/react'
import userEvent from '@testing-library/user-event'
import { expect, test } from 'vitest'
import { show } from '../../testing/render'
import { Page } from './Models'
import type { Library, Model } from './queries'

const base = '/control/v1/library'
const model: Model = {
  provider: 'local',
  name: 'm:latest',
  bytes: 1024,
  quantization: 'Q4_K_M',
  context: 2048,
  trained_context: 4096,
  capabilities: ['completion', 'tools'],
  used_by: ['the model chat'],
  keeps: true,
  fit: { verdict: 'no', text: 'It needs about 9 GiB, and 1 GiB are free.', needs: 9, free: 1 },
}
const empty: Library = {
  servers: [
    { name: 'local', kind: 'ollama', url: 'http://127.0.0.1:11434', keeps: true, models: 0, bytes: 0, free: 2048, folder: '/models' },
  ],
  models: [],
  pulls: [],
  memory: { total: 4096, free: 1024 },
}

test('says that it loads', () => {
  show(<Page />, {})
  expect(screen.getByRole('heading', { level: 1, name: 'Models' })).toBeTruthy()
  expect(screen.getByRole('status', { name: 'Loading' })).toBeTruthy()
})

test('says why it failed', async () => {
  show(<Page />, { [`GET ${base}`]: 503 })
  expect(await screen.findByText('refused with 503')).toBeTruthy()
})

test('without a model it offers small ones, and pulls the one that is chosen', async () => {
  const asked = show(<Page />, { [`GET ${base}`]: empty, [`POST ${base}/pulls`]: { id: '1' } })
  await userEvent.click(await screen.findByRole('button', { name: /^all-minilm/ }))
  const sent = asked.find((r) => r.method === 'POST')
  expect(await sent?.json()).toEqual({ model: 'all-minilm' })
})

test('a server that is away is told with what mends it', async () => {
  const servers = [{ name: 'local', kind: 'ollama', url: 'u', keeps: true, models: 0, bytes: 0, problem: 'local does not answer' }]
  show(<Page />, { [`GET ${base}`]: { ...empty, servers } })
  expect(await screen.findByText('local is away')).toBeTruthy()
  expect(screen.getByText('ollama serve')).toBeTruthy()
  expect(screen.getByText('No model is shown')).toBeTruthy()
})

test('a model that its server passes on is shown as one that is not here', async () => {
  const away: Model = { ...model, away: 'big.example', fit: { verdict: 'away', text: 'Its server passes the text on to big.example.' } }
  show(<Page />, { [`GET ${base}`]: { ...empty, models: [away] } })
  const card = within(await screen.findByRole('listitem', { name: 'm:latest' }))
  expect(card.getByText('Not on this device')).toBeTruthy()
  expect(card.getByText(/passes the text on to big.example/)).toBeTruthy()
})

test('a model is shown with all that is known; one that the config names is not removed without a word', async () => {
  const asked = show(<Page />, { [`GET ${base}`]: { ...empty, models: [model] }, [`DELETE ${base}/models/m%3Alatest`]: model })
  const card = within(await screen.findByRole('listitem', { name: 'm:latest' }))
  for (const text of ['Does not fit', 'tools', /Q4_K_M · 2,048 tokens of context, made for 4,096/, /9 GiB/, /the model chat/]) {
    expect(card.getByText(text)).toBeTruthy()
  }
  await userEvent.click(card.getByRole('button', { name: 'Remove m:latest' }))
  const dialog = within(await screen.findByRole('dialog'))
  expect(dialog.getByText(/Calls for the model chat will fail/)).toBeTruthy()
  await userEvent.click(dialog.getByRole('button', { name: 'Remove' }))
  expect(asked.find((r) => r.method === 'DELETE')?.url).toContain('force=true')
})

test('a pull that failed says why', async () => {
  const pulls = [
    { id: '1', provider: 'local', model: 'x', state: 'failed', done: 0, started: '2026-01-01T00:00:00Z', why: 'There is no such model.' },
  ]
  show(<Page />, { [`GET ${base}`]: { ...empty, pulls } })
  expect(await screen.findByText('There is no such model.')).toBeTruthy()
  expect(screen.getByRole('button', { name: 'Pull x again' })).toBeTruthy()
})
