import { cleanup, screen, waitFor, within } from '@testing-library/react'
import userEvent from '@testing-library/user-event'
import { beforeEach, describe, expect, test } from 'vitest'
import { leaving } from '../../api/session'
import { show } from '../../testing/render'
import { readDraft } from './draft'
import { Page } from './Settings'

beforeEach(() => window.sessionStorage.clear())

const base = '/control/v1'
const file = {
  path: '/etc/corral/corral.yaml',
  exists: true,
  text: 'limits:\n  concurrent: 4 # enough\n',
  hidden: false,
  revision: 'r1',
  writable: true,
  effective: { limits: { concurrent: 4, requests_per_minute: 0 }, cache: { exact: { when: 'off', ttl: '5m' } } },
  defaults: {},
  shadowed: { 'telemetry.log': 'CORRAL_LOG' },
  problems: [],
  warnings: [],
  needs_restart: [],
}
const review = {
  valid: true,
  problems: [],
  warnings: [],
  text: 'limits:\n  concurrent: 8 # enough\n',
  diff: '@@ -1,2 +1,2 @@\n limits:\n-  concurrent: 4 # enough\n+  concurrent: 8 # enough\n',
  changes: [],
  needs_restart: [],
  held: ['limits.concurrent is set by a flag of the running Corral, which holds until it is started without.'],
  written: false,
  revision: 'r1',
}
const status = {
  version: '1.2.3',
  pid: 1,
  started: '2026-11-23T12:00:00Z',
  listen: '127.0.0.1:11435',
  auth: 'none',
  data_dir: '/var/lib/corral',
  ready: true,
  providers: [],
  models: [],
  config: { path: '/etc/corral/corral.yaml', warnings: [], loaded: '2026-11-23T12:00:00Z', needs_restart: [] },
  conditions: [],
}
const answers = {
  [`GET ${base}/config`]: file,
  [`GET ${base}/status`]: status,
  [`GET ${base}/session`]: { authenticated: true, roles: [] },
  [`GET ${base}/keys`]: { keys: [] },
  [`GET ${base}/autostart`]: { enabled: false },
  [`GET ${base}/guard`]: {
    secrets: 'block',
    pii: 'redact-for-cloud',
    injection: 'off',
    found: [{ class: 'pii', kind: 'email', action: 'redact', count: 1200 }],
  },
  [`GET ${base}/about`]: {
    version: '1.2.3',
    go: 'go1.26',
    platform: 'linux/amd64',
    modules: [
      { path: 'example.org/known', version: 'v1.0.0', licence: 'MIT' },
      { path: 'example.org/new', version: 'v0.1.0' },
    ],
  },
}
const parts = ['', '?part=file', '?part=guard', '?part=keys', '?part=about']

describe.each(parts)('the part "%s"', (part) => {
  test('says that it loads', () => {
    show(<Page />, answers, `/settings${part}`)
    expect(screen.getByRole('heading', { level: 1, name: 'Settings' })).toBeTruthy()
    expect(screen.getAllByRole('status', { name: 'Loading' }).length).toBeGreaterThan(0)
  })

  test('says why it failed, and tries again', async () => {
    const asked = show(<Page />, Object.fromEntries(Object.keys(answers).map((k) => [k, 503])), `/settings${part}`)
    await screen.findAllByText('refused with 503')
    const before = asked.length
    await userEvent.click(screen.getAllByRole('button', { name: 'Try again' })[0] as HTMLElement)
    await waitFor(() => expect(asked.length).toBeGreaterThan(before))
  })
})

test('a common setting is applied only after what it changes was shown', async () => {
  const asked = show(
    <Page />,
    { ...answers, [`PATCH ${base}/config`]: review, [`PUT ${base}/config`]: { ...review, written: true } },
    '/settings',
  )
  const field = await screen.findByLabelText('Calls at once, of all callers')
  await userEvent.clear(field)
  await userEvent.type(field, '8')
  await userEvent.click(screen.getByRole('button', { name: 'Show what changes' }))
  expect(await screen.findByText('+ concurrent: 8 # enough', { exact: false })).toBeTruthy()
  expect(screen.getByText(review.held[0] as string)).toBeTruthy()
  const sent = asked.find((r) => r.method === 'PATCH') as Request
  expect(await sent.json()).toEqual({ dry_run: true, edits: [{ op: 'set', path: 'limits.concurrent', value: 8 }] })
  await userEvent.click(screen.getByRole('button', { name: 'Apply' }))
  expect(await screen.findByText('Applied')).toBeTruthy()
  expect(screen.getByText(review.held[0] as string)).toBeTruthy()
  const put = asked.find((r) => r.method === 'PUT') as Request
  expect(put.headers.get('If-Match')).toBe('"r1"')
  expect(await put.json()).toEqual({ text: review.text })
})

test('what the guard found is told, and a text is tried', async () => {
  const tried = {
    places: [
      { class: 'pii', kind: 'email', from: 3, to: 18 },
      { class: 'pii', kind: 'email', from: 20, to: 35 },
    ],
    masked: 'to [EMAIL_1]',
    injection: true,
    why: 'override',
    score: 0.9,
  }
  const asked = show(<Page />, { ...answers, [`POST ${base}/guard/try`]: tried }, '/settings?part=guard')
  expect((await screen.findByRole('link', { name: 'personal data' })).getAttribute('href')).toBe('/calls?flag=pii')
  expect(screen.getByText('hidden')).toBeTruthy()
  expect(screen.getByText('1,200')).toBeTruthy()
  expect(screen.getByRole('button', { name: 'Look at it' })).toHaveProperty('disabled', true)
  await userEvent.type(screen.getByLabelText('Text'), 'to ann@example.org')
  await userEvent.click(screen.getByRole('button', { name: 'Look at it' }))
  expect(await screen.findByText('It holds email. It looks like an attempt to take the model over (override).')).toBeTruthy()
  expect(screen.getByText('to [EMAIL_1]')).toBeTruthy()
  expect(await (asked.find((r) => r.method === 'POST') as Request).json()).toEqual({ text: 'to ann@example.org' })
})

test('where the guard looks for nothing the page says how it would', async () => {
  show(<Page />, { ...answers, [`GET ${base}/guard`]: { secrets: 'off', pii: 'off', injection: 'off', found: [] } }, '/settings?part=guard')
  expect(await screen.findByText('Nothing is looked for')).toBeTruthy()
})

test('what the environment sets is not offered', async () => {
  show(<Page />, answers, '/settings')
  expect((await screen.findAllByLabelText('The log tells'))[0]).toHaveProperty('disabled', true)
  expect(screen.getByText('Set by CORRAL_LOG: a change of the file has no effect.')).toBeTruthy()
})

test('a wrong line is told while it is typed', async () => {
  const problem = { line: 3, field: 'nonsense', message: 'there is no such setting' }
  show(<Page />, { ...answers, [`POST ${base}/config/check`]: { ...review, valid: false, problems: [problem] } }, '/settings?part=file')
  await userEvent.type(await screen.findByLabelText('Text of corral.yaml'), 'nonsense: 1')
  expect(await screen.findByText('Line 3: nonsense: there is no such setting')).toBeTruthy()
  await userEvent.click(screen.getByRole('button', { name: 'Show what changes' }))
  expect(screen.getByRole('button', { name: 'Apply' })).toHaveProperty('disabled', true)
})

test('what is typed stays when the file is changed by somebody else', async () => {
  const own: Record<string, unknown> = { ...answers, [`POST ${base}/config/check`]: review }
  show(<Page />, own, '/settings?part=file')
  const text = (await screen.findByLabelText('Text of corral.yaml')) as HTMLTextAreaElement
  await userEvent.type(text, '# mine')
  own[`GET ${base}/config`] = { ...file, text: 'limits:\n  concurrent: 9\n', revision: 'r2' }
  window.dispatchEvent(new Event('visibilitychange')) // as one who comes back to the page
  expect(await screen.findByText('The file was changed meanwhile')).toBeTruthy()
  expect(text.value).toContain('# mine')
  expect(screen.getByRole('button', { name: 'Show what changes' })).toHaveProperty('disabled', true)
  await userEvent.click(screen.getByRole('button', { name: 'Take the file as it is now' }))
  expect(text.value).toBe('limits:\n  concurrent: 9\n')
  expect(screen.queryByText('The file was changed meanwhile')).toBeNull()
})

test('a key is shown once, and ends after a question', async () => {
  const key = { id: 'k1', name: 'notes', hint: 'sk…9', created: '2026-11-23T12:00:00Z' }
  const asked = show(
    <Page />,
    {
      ...answers,
      [`GET ${base}/keys`]: { keys: [key] },
      [`POST ${base}/keys`]: { key, secret: 'corral_sk_once' },
      [`DELETE ${base}/keys/k1`]: key,
    },
    '/settings?part=keys',
  )
  await userEvent.type(await screen.findByLabelText('Whose key'), 'notes')
  await userEvent.click(screen.getByRole('button', { name: 'Make a key' }))
  expect(await screen.findByText('corral_sk_once')).toBeTruthy()
  await userEvent.click(screen.getByRole('button', { name: 'I have it' }))
  expect(screen.queryByText('corral_sk_once')).toBeNull()
  await userEvent.click(screen.getByRole('button', { name: 'Revoke the key of notes' }))
  expect(asked.some((r) => r.method === 'DELETE')).toBe(false)
  await userEvent.click(within(await screen.findByRole('dialog')).getByRole('button', { name: 'Revoke' }))
  await waitFor(() => expect(asked.some((r) => r.method === 'DELETE')).toBe(true))
})

test('what it was made from is what it says itself', async () => {
  show(<Page />, answers, '/settings?part=about')
  expect(within((await screen.findByText('example.org/known')).closest('tr') as HTMLElement).getByText('MIT')).toBeTruthy()
  expect(within(screen.getByText('example.org/new').closest('tr') as HTMLElement).getByText('not looked at')).toBeTruthy()
})

test('starting at login is asked for by a switch', async () => {
  const asked = show(<Page />, { ...answers, [`PUT ${base}/autostart`]: { enabled: true } }, '/settings?part=about')
  await userEvent.click(await screen.findByRole('switch', { name: 'Start Corral when you log in' }))
  await waitFor(() => expect(asked.some((r) => r.method === 'PUT')).toBe(true))
  expect(await (asked.find((r) => r.method === 'PUT') as Request).json()).toEqual({ enabled: true })
})

test('where nothing can start at login, the switch says why', async () => {
  show(<Page />, { ...answers, [`GET ${base}/autostart`]: { enabled: false, problem: 'HOME is not set' } }, '/settings?part=about')
  expect(await screen.findByRole('switch', { name: 'Start Corral when you log in' })).toHaveProperty('disabled', true)
  expect(screen.getByText('Not possible here: HOME is not set')).toBeTruthy()
})

test('what is typed outlives the session, as when Corral is started anew', async () => {
  const own = { ...answers, [`POST ${base}/config/check`]: review }
  show(<Page />, own, '/settings?part=file')
  await userEvent.type(await screen.findByLabelText('Text of corral.yaml'), '# mine')
  cleanup()
  show(<Page />, own, '/settings?part=file')
  const text = (await screen.findByLabelText('Text of corral.yaml')) as HTMLTextAreaElement
  expect(text.value).toContain('# mine')
  leaving.dispatchEvent(new Event('leave'))
  expect(readDraft()).toBeUndefined()
})
