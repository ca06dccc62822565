import { screen, waitFor } from '@testing-library/react'
import userEvent from '@testing-library/user-event'
import { beforeEach, expect, test } from 'vitest'
import { wantsNoGuide } from '../../hooks/guide'
import { show } from '../../testing/render'
import { Page } from './Welcome'

const status = (reachable: boolean, auth = 'none') => ({
  listen: '127.0.0.1:11435',
  auth,
  providers: [{ name: 'local', kind: 'ollama', url: 'http://127.0.0.1:11434', reachable, problem: 'connection refused' }],
})
const at = 'GET /control/v1/status'
const tags = {
  models: [
    { name: 'llama3.2:3b', size: 2e9, details: { parameter_size: '3.2B' } },
    { name: 'qwen3:0.6b', size: 5e8 },
  ],
}

beforeEach(() => localStorage.clear())

test('says that it loads, and why it failed', async () => {
  show(<Page />, { [at]: 503 })
  expect(screen.getByRole('status', { name: 'Loading' })).toBeTruthy()
  expect(await screen.findByText('refused with 503')).toBeTruthy()
})

test('without a model server it says how one comes here', async () => {
  show(<Page />, { [at]: status(false) })
  expect(await screen.findByText('ollama serve')).toBeTruthy()
  expect(screen.getByText(/connection refused/)).toBeTruthy()
  await userEvent.click(screen.getByRole('tab', { name: 'Windows' }))
  expect(screen.getByText('winget install Ollama.Ollama')).toBeTruthy()
})

test('without a model it offers small ones, and says what went wrong with one', async () => {
  show(<Page />, { [at]: status(true), 'GET /api/tags': { models: [] }, 'POST /api/pull': 500 })
  await userEvent.click(await screen.findByRole('button', { name: /Load qwen3:0.6b/ }))
  expect(await screen.findByText('Corral answered with status 500.')).toBeTruthy()
})

test('the smallest model is chosen, and asked', async () => {
  const asked = show(<Page />, {
    [at]: status(true),
    'GET /api/tags': tags,
    'POST /api/chat': { message: { content: 'Because of Rayleigh.' }, eval_count: 7 },
  })
  expect(await screen.findByRole('radio', { name: 'qwen3:0.6b', checked: true })).toBeTruthy()
  await userEvent.click(await screen.findByRole('button', { name: 'Ask' }))
  expect(await screen.findByText('Because of Rayleigh.')).toBeTruthy()
  const call = asked.find((r) => r.url.endsWith('/api/chat'))
  expect(call?.method).toBe('POST')
  expect(screen.getAllByText('Done')).toHaveLength(3)
  expect(screen.getByText(/OLLAMA_HOST=127.0.0.1:11435 ollama run qwen3:0.6b/)).toBeTruthy()
})

test('a model that makes vectors only is none to ask', async () => {
  show(<Page />, {
    [at]: status(true),
    'GET /api/tags': { models: [{ name: 'all-minilm:latest', size: 45e6 }, ...tags.models] },
    'GET /control/v1/try': {
      default: 'local',
      names: [],
      providers: [{ provider: 'local', kind: 'ollama', models: [{ model: 'all-minilm:latest', chats: false }] }],
    },
  })
  expect(await screen.findByRole('radio', { name: 'qwen3:0.6b', checked: true })).toBeTruthy()
  expect(screen.queryByRole('radio', { name: 'all-minilm:latest' })).toBeNull()
})

test('where keys are required it says how one is made', async () => {
  show(<Page />, { [at]: status(true, 'required') })
  expect(await screen.findByText('corral keys create my-app')).toBeTruthy()
})

test('it may be refused for good', async () => {
  show(<Page />, { [at]: status(false) })
  expect(wantsNoGuide()).toBe(false)
  await userEvent.click(screen.getByRole('button', { name: 'Do not show this at start' }))
  await waitFor(() => expect(wantsNoGuide()).toBe(true))
})
