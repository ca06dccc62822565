import { screen, waitFor } from '@testing-library/react'
import userEvent from '@testing-library/user-event'
import { beforeEach, expect, test, vi } from 'vitest'
import { show } from '../../testing/render'
import { conversation } from './conversation'
import { Page } from './Playground'

const path = 'GET /control/v1/try'
const choices = {
  names: [{ name: 'chat', targets: ['local/tiny'] }],
  default: 'local',
  providers: [{ provider: 'local', kind: 'ollama', models: [{ model: 'tiny:latest', chats: true, sees: false, tools: true }] }],
}

vi.setConfig({ testTimeout: 30_000 }) // a machine that is busy is slow, not broken
beforeEach(() => conversation.forget())

test('it says that it loads', () => {
  show(<Page />, { [path]: choices })
  expect(screen.getByText('Playground')).toBeTruthy()
  expect(screen.getByLabelText('Loading')).toBeTruthy()
})

test('it says what to do when there is no model', async () => {
  show(<Page />, {
    [path]: { names: [], default: 'local', providers: [{ provider: 'local', kind: 'ollama', models: [], problem: 'cannot connect' }] },
  })
  expect(await screen.findByText('There is no model to ask')).toBeTruthy()
  expect(screen.getByText('local: cannot connect')).toBeTruthy()
})

test('it says why the models could not be had, and tries again', async () => {
  const asked = show(<Page />, { [path]: 503 })
  expect(await screen.findByText('refused with 503')).toBeTruthy()
  const before = asked.length
  await userEvent.click(screen.getByText('Try again'))
  await waitFor(() => expect(asked.length).toBeGreaterThan(before))
})

test('a call that is refused is told with what to do, and pictures only go to who sees', async () => {
  show(<Page />, { [path]: choices, 'POST /control/v1/try/api/chat': 404 })
  await screen.findByText('Ask something')
  await waitFor(() => expect(screen.getByLabelText('Attach a picture').getAttribute('aria-disabled')).toBe('true'))
  await userEvent.type(screen.getByLabelText('Question'), 'Hello{Shift>}{Enter}{/Shift}there{Enter}')
  expect(await screen.findByText('refused with 404')).toBeTruthy()
  expect(screen.getByText('Choose another model, or have this one pulled.')).toBeTruthy()
  expect(conversation.current().turns[0]?.text).toBe('Hello\nthere')
})
