import { screen, waitFor, within } from '@testing-library/react'
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
const library = 'GET /control/v1/library'
const choices = 'GET /control/v1/try'
const chat = 'POST /control/v1/try/api/chat'
const pulls = 'POST /control/v1/library/pulls'

const model = (name: string, size: number, capabilities = ['completion']) => ({
  name,
  provider: 'local',
  bytes: size,
  capabilities,
  fit: { verdict: 'fits', text: '' },
  keeps: true,
  used_by: [],
})
const local = { name: 'local', kind: 'ollama', url: 'http://127.0.0.1:11434', models: 2, bytes: 0, keeps: true }
const have = {
  servers: [local],
  models: [{ ...model('llama3.2:3b', 2e9), parameters: '3.2B' }, model('qwen3:0.6b', 5e8), model('all-minilm:latest', 45e6, ['embedding'])],
  pulls: [],
}
const nothing = { servers: [local], models: [], pulls: [] }
const unnamed = {
  default: 'local',
  names: [],
  providers: [{ provider: 'local', kind: 'ollama', models: have.models.map((m) => ({ model: m.name })) }],
}
const named = {
  ...unnamed,
  names: [
    { name: 'paid', targets: ['cloud/gpt-5', 'local/qwen3:0.6b'] },
    { name: 'gone', targets: ['local/not-there:1b'] },
  ],
}
const said = { message: { content: 'Because of Rayleigh.' }, done: true, eval_count: 7 }

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

test('without a model it has small ones pulled, and says what went wrong with one', async () => {
  const asked = show(<Page />, { [at]: status(true), [library]: nothing, [choices]: unnamed, [pulls]: 500 })
  await userEvent.click(await screen.findByRole('button', { name: /^Pull qwen3:0.6b/ }))
  expect(await screen.findByText('refused with 500')).toBeTruthy()
  const sent = asked.find((r) => r.method === 'POST')
  expect(await sent?.json()).toEqual({ model: 'qwen3:0.6b', provider: 'local' })
})

test('a pull under way is seen, and what came is chosen', async () => {
  const pull = { id: '1', model: 'qwen3:0.6b', provider: 'local', state: 'running', done: 1 << 20, total: 2 << 20, started: '' }
  const told: Record<string, unknown> = { [at]: status(true), [library]: nothing, [choices]: unnamed, [pulls]: pull }
  show(<Page />, told)
  const button = await screen.findByRole('button', { name: /^Pull qwen3:0.6b/ })
  told[library] = { ...nothing, pulls: [pull] }
  await userEvent.click(button)
  expect(await screen.findByText(/1 MiB of 2 MiB/)).toBeTruthy()
  told[library] = { ...have, pulls: [{ ...pull, state: 'done', done: 2 << 20 }] }
  expect(await screen.findByRole('radio', { name: 'qwen3:0.6b', checked: true })).toBeTruthy()
})

test('the smallest model is chosen, and asked as an app would ask it', async () => {
  const asked = show(<Page />, { [at]: status(true), [library]: have, [choices]: unnamed, [chat]: said })
  expect(await screen.findByRole('radio', { name: 'qwen3:0.6b', checked: true })).toBeTruthy()
  await userEvent.click(await screen.findByRole('button', { name: 'Ask' }))
  expect(await screen.findByText('Because of Rayleigh.')).toBeTruthy()
  expect(await asked.find((r) => r.method === 'POST')?.json()).toMatchObject({ model: 'qwen3:0.6b' })
  expect(screen.getAllByText('Done')).toHaveLength(3)
  expect(screen.getByText('OLLAMA_HOST=127.0.0.1:11435 ollama run qwen3:0.6b')).toBeTruthy()
})

test('a model that makes vectors only is none to ask', async () => {
  show(<Page />, { [at]: status(true), [library]: have, [choices]: unnamed })
  expect(await screen.findByRole('radio', { name: 'qwen3:0.6b', checked: true })).toBeTruthy()
  expect(screen.queryByRole('radio', { name: 'all-minilm:latest' })).toBeNull()
})

test('names of the config stand by themselves, and are never chosen for a person', async () => {
  show(<Page />, { [at]: status(true), [library]: have, [choices]: named })
  const names = await screen.findByRole('radiogroup', { name: 'Names in your config' })
  expect(within(names).getByRole('radio', { name: 'paid', checked: false })).toBeTruthy()
  expect(within(names).getByText('cloud/gpt-5, then local/qwen3:0.6b')).toBeTruthy()
  expect(within(names).getByText('local/not-there:1b (not there)')).toBeTruthy()
  const here = screen.getByRole('radiogroup', { name: 'Those that are on this machine' })
  expect(
    within(here)
      .getAllByRole('radio')
      .map((r) => (r as HTMLInputElement).checked),
  ).toEqual([true, false])
})

test('without a model on this machine no name is chosen either', async () => {
  show(<Page />, { [at]: status(true), [library]: nothing, [choices]: named })
  expect(await screen.findByRole('radio', { name: 'paid', checked: false })).toBeTruthy()
  expect(screen.getByText('Choose a model first.')).toBeTruthy()
})

test('what an app is told fits what was chosen: a name that leads elsewhere is not for ollama run', async () => {
  const asked = show(<Page />, { [at]: status(true), [library]: have, [choices]: named, [chat]: 404 })
  await userEvent.click(await screen.findByRole('radio', { name: 'paid' }))
  expect(screen.queryByRole('tab', { name: 'Ollama' })).toBeNull()
  expect(screen.queryByText(/ollama run/)).toBeNull()
  expect(screen.getByText(/base_url="http:\/\/127.0.0.1:11435\/v1"/).textContent).toContain('model="paid"')
  await userEvent.click(screen.getByRole('button', { name: 'Ask' }))
  expect(await screen.findByText('No answer')).toBeTruthy()
  expect(screen.getByText('refused with 404')).toBeTruthy()
  expect(await asked.find((r) => r.method === 'POST')?.json()).toMatchObject({ model: 'paid' })
})

test('where keys are required it goes all the way, and says how an app gets one', async () => {
  const asked = show(<Page />, { [at]: status(true, 'required'), [library]: have, [choices]: unnamed, [chat]: said })
  expect(await screen.findByRole('radio', { name: 'qwen3:0.6b', checked: true })).toBeTruthy()
  await userEvent.click(await screen.findByRole('button', { name: 'Ask' }))
  expect(await screen.findByText('Because of Rayleigh.')).toBeTruthy()
  expect(screen.getByText('corral keys create my-app')).toBeTruthy()
  expect(screen.getByRole('link', { name: 'Settings, App keys' }).getAttribute('href')).toBe('/settings?part=keys')
  expect(screen.getAllByText(/api_key="YOUR_KEY"/)).toHaveLength(2)
  for (const r of asked) expect(new URL(r.url).pathname).toMatch(/^\/control\/v1\//) // what an app asks would want a key
})

test('it may be refused for good', async () => {
  show(<Page />, { [at]: status(false) })
  expect(wantsNoGuide()).toBe(false)
  await userEvent.click(screen.getByRole('button', { name: 'Do not show this at start' }))
  await waitFor(() => expect(wantsNoGuide()).toBe(true))
})
