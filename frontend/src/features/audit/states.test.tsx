import { screen, waitFor, within } from '@testing-library/react'
import userEvent from '@testing-library/user-event'
import { expect, test } from 'vitest'
import { show } from '../../testing/render'
import { Page } from './Audit'

const base = '/control/v1'
const ledger = {
  origin: 'corral/1',
  public_key: 'corral+1234+key',
  top_key: 'in the keyring',
  signing_key: 'in the keyring',
  anchors: [],
  entries: 0,
  next: 0,
  entry_bytes: 0,
  content_bytes: 0,
  content_below: 0,
  file_bytes: 0,
  pruned: 0,
  failures: 0,
  lag_seconds: 0,
  waiting: 0,
}
const entry = {
  seq: 1,
  kind: 'call',
  time: '2026-11-23T12:00:00Z',
  request_id: 'req_1',
  user: 'ann',
  model_asked: 'chat',
  status: 200,
  flags: ['cache-hit'],
  prompt: { content: 'What is a corral?' },
  tokens: { input: 1, output: 1 },
  cost_nano_usd: 0,
  baseline_nano_usd: 0,
}
const empty = {
  [`GET ${base}/audit/status`]: ledger,
  [`GET ${base}/audit/entries`]: { entries: [] },
  [`GET ${base}/keys`]: { keys: [] },
}
const full = {
  ...empty,
  [`GET ${base}/audit/status`]: { ...ledger, entries: 2, next: 2, anchors: [{ name: 'file anchor.log', size: 2 }] },
  [`GET ${base}/audit/entries`]: { entries: [{ ...entry, seq: 0, kind: 'begin', note: 'new' }, entry] },
  [`GET ${base}/audit/entries/%231`]: entry,
}

test('says that it loads', () => {
  show(<Page />, empty)
  expect(screen.getByRole('heading', { level: 1, name: 'Audit' })).toBeTruthy()
  expect(screen.getAllByRole('status', { name: 'Loading' }).length).toBeGreaterThan(0)
})

test('says that there is nothing yet', async () => {
  show(<Page />, empty)
  expect(await screen.findByText('The ledger is empty')).toBeTruthy()
  await waitFor(() => expect(screen.queryByRole('status', { name: 'Loading' })).toBeNull())
})

test('says why it failed, and tries again', async () => {
  const asked = show(<Page />, Object.fromEntries(Object.keys(empty).map((k) => [k, 503])))
  expect((await screen.findAllByText('refused with 503')).length).toBeGreaterThan(0)
  const before = asked.length
  await userEvent.click(screen.getAllByRole('button', { name: 'Try again' })[0] as HTMLElement)
  await waitFor(() => expect(asked.length).toBeGreaterThan(before))
})

test('an entry opens whole, with its proof', async () => {
  show(<Page />, full)
  expect(await screen.findByText('Ledger begun')).toBeTruthy()
  await userEvent.click(await screen.findByRole('button', { name: 'Show entry #1' }))
  expect(await screen.findByText('What is a corral?')).toBeTruthy()
  expect(screen.getByRole('link', { name: 'Download the proof' }).getAttribute('href')).toBe(`${base}/audit/entries/%231/proof`)
  expect(screen.getByText(/corral audit verify --proof corral-proof-1.json --key 'corral\+1234\+key'/)).toBeTruthy()
})

test('a person is erased only after their name was typed', async () => {
  const asked = show(<Page />, { ...full, [`POST ${base}/audit/erase`]: { entries: 1, keys: 1, seq: 2 } })
  await userEvent.type(await screen.findByLabelText('Name or id'), 'ann')
  await userEvent.click(screen.getByRole('button', { name: 'Erase…' }))
  const dialog = await screen.findByRole('dialog')
  const erase = within(dialog).getByRole('button', { name: 'Erase' })
  expect(erase).toHaveProperty('disabled', true)
  await userEvent.type(within(dialog).getByRole('textbox'), 'anne')
  expect(erase).toHaveProperty('disabled', true)
  await userEvent.type(within(dialog).getByRole('textbox'), '{Backspace}')
  await userEvent.click(erase)
  expect(await screen.findByText('One entry was erased; entry #2 notes it.')).toBeTruthy()
  const sent = asked.filter((r) => r.method === 'POST')
  expect(await Promise.all(sent.map((r) => r.json()))).toEqual([{ user: 'ann' }])
})

test('a caller is called by the name of its key, with the id for who points at it', async () => {
  const of = { ...entry, user: undefined, caller: 'key_f53a1a08526f' }
  show(<Page />, {
    ...full,
    [`GET ${base}/keys`]: { keys: [{ id: 'key_f53a1a08526f', name: 'notes', hint: 'x', created: '2026-11-23T12:00:00Z' }] },
    [`GET ${base}/audit/entries`]: { entries: [of, { ...of, seq: 2, caller: 'page' }] },
    [`GET ${base}/audit/entries/%231`]: of,
  })
  expect((await screen.findByText('notes')).title).toBe('key_f53a1a08526f')
  expect(screen.getByText('page')).toBeTruthy()
  await userEvent.click(screen.getByRole('button', { name: 'Show entry #1' }))
  const drawer = await screen.findByRole('dialog')
  expect((await within(drawer).findByText('notes')).title).toBe('key_f53a1a08526f')
})
