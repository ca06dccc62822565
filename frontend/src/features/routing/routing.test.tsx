import { screen, waitFor } from '@testing-library/react'
import userEvent from '@testing-library/user-event'
import { describe, expect, test } from 'vitest'
import { show } from '../../testing/render'
import { providerEdits } from './Providers'
import { Page } from './Routing'
import { ruleEdits } from './Rules'

const base = '/control/v1'
const file = (models: unknown[] = []) => ({
  path: 'corral.yaml',
  text: '',
  revision: 'r1',
  writable: true,
  effective: { providers: [{ name: 'local', kind: 'ollama', url: 'http://127.0.0.1:11434' }], models },
})
const answers = (models: unknown[] = []) => ({
  [`GET ${base}/config`]: file(models),
  [`GET ${base}/status`]: { providers: [{ name: 'local', reachable: true }] },
  [`GET ${base}/targets`]: { targets: [], queues: [] },
  [`GET ${base}/outages`]: { outages: [] },
  [`PATCH ${base}/config`]: { valid: true, diff: '@@ -1,1 +1,1 @@\n-old\n+new\n', revision: 'r1' },
})
const chat = {
  name: 'chat',
  targets: [
    { provider: 'local', model: 'a' },
    { provider: 'local', model: 'b' },
  ],
}

describe('the page', () => {
  test('says that it loads', () => {
    show(<Page />, answers())
    expect(screen.getByRole('heading', { level: 1, name: 'Routing' })).toBeTruthy()
    expect(screen.getAllByRole('status', { name: 'Loading' }).length).toBeGreaterThan(0)
  })
  test('says that there is nothing yet', async () => {
    show(<Page />, answers())
    expect(await screen.findByText('No name has targets of its own')).toBeTruthy()
    expect(await screen.findByText('Answers')).toBeTruthy()
  })
  test('says why it failed, and tries again', async () => {
    const asked = show(<Page />, { [`GET ${base}/config`]: 503 })
    expect((await screen.findAllByText('refused with 503')).length).toBeGreaterThan(0)
    const before = asked.length
    await userEvent.click(screen.getAllByRole('button', { name: 'Try again' })[0] as HTMLElement)
    await waitFor(() => expect(asked.length).toBeGreaterThan(before))
  })
})

test('targets are reordered by the keyboard, told aloud, and shown as a diff before anything is written', async () => {
  const asked = show(<Page />, answers([chat]))
  const grip = await screen.findByRole('button', { name: /^Move local\/b/ })
  grip.focus()
  await userEvent.keyboard('{ArrowUp}')
  expect(await screen.findByText('local/b is now number 1 of 2 for chat. Not written yet.')).toBeTruthy()
  await userEvent.click(screen.getByRole('button', { name: 'Show what changes' }))
  expect(await screen.findByText('+new')).toBeTruthy()
  const bodies = await Promise.all(asked.filter((r) => r.method === 'PATCH').map((r) => r.clone().json()))
  expect(bodies).toEqual([{ edits: [{ op: 'move', path: 'models["chat"].targets[1]', to: 0 }], dry_run: true }])
  await userEvent.click(screen.getByRole('button', { name: 'Apply' }))
  await waitFor(() => expect(asked.filter((r) => r.method === 'PATCH').length).toBe(2))
  expect(asked.filter((r) => r.method === 'PATCH')[1]?.headers.get('If-Match')).toBe('"r1"')
})

test('only what was changed of a server is edited, and no key is among it', () => {
  const was = { name: 'a', kind: 'openai' as const, url: 'https://a.example/v1', key: 'keyring:a' }
  expect(providerEdits(was, was)).toEqual([])
  expect(providerEdits(was, { ...was, url: 'https://b.example/v1', key: '' })).toEqual([
    { op: 'set', path: 'providers["a"].url', value: 'https://b.example/v1' },
    { op: 'remove', path: 'providers["a"].key' },
  ])
  expect(providerEdits(undefined, { name: 'n', kind: 'gemini', url: '' })).toEqual([
    { op: 'add', path: 'providers', value: { name: 'n', kind: 'gemini' } },
  ])
})

test('of the rules of a name only what was changed is edited', () => {
  const was = { name: 'chat', local_only: true, last_resort: ['similar', { static: 'Later.' }] }
  expect(ruleEdits(was, { local_only: true, last_resort: ['similar', { static: 'Later.' }] })).toEqual([])
  expect(ruleEdits(was, { local_only: false, last_resort: [] })).toEqual([
    { op: 'remove', path: 'models["chat"].local_only' },
    { op: 'remove', path: 'models["chat"].last_resort' },
  ])
  expect(ruleEdits({ name: 'a' }, { local_only: false, last_resort: [{ static: 'Later.' }] })).toEqual([
    { op: 'set', path: 'models["a"].last_resort', value: [{ static: 'Later.' }] },
  ])
})

test('what answers at last is entered, and shown as a diff', async () => {
  const asked = show(<Page />, answers([chat]))
  await userEvent.click(await screen.findByRole('button', { name: 'Rules of chat' }))
  await userEvent.type(await screen.findByLabelText('Then say'), 'Please come back later.')
  await userEvent.click(screen.getByRole('button', { name: 'Show what changes' }))
  expect(await screen.findByText('+new')).toBeTruthy()
  const bodies = await Promise.all(asked.filter((r) => r.method === 'PATCH').map((r) => r.clone().json()))
  expect(bodies[0].edits).toEqual([{ op: 'set', path: 'models["chat"].last_resort', value: [{ static: 'Please come back later.' }] }])
})
