import { readFileSync } from 'node:fs'
import { call } from './corral'
import { expect, go, logIn, test, url, wellMade } from './page'

test('the audit page is well made @looks', async ({ page }) => {
  await logIn(page)
  await go(page, 'Audit')
  await expect(page.getByRole('button', { name: /^Show entry #/ }).first()).toBeVisible()
  await expect(page.getByRole('status', { name: 'Loading' })).toHaveCount(0)
  await wellMade(page)
  await page.getByRole('button', { name: 'Filters' }).click()
  await expect(page.getByLabel('User')).toBeVisible()
  await wellMade(page)
})

test('the ledger is verified, and it is said what a second place covers', async ({ page }) => {
  await logIn(page)
  await go(page, 'Audit')
  await page.getByRole('button', { name: 'Verify', exact: true }).click()
  const whole = page.getByRole('region', { name: 'Is it whole?' })
  await expect(whole.getByText(/The ledger is whole: entries #0 to #\d+/)).toBeVisible()
  await expect(whole.getByRole('listitem').first()).toBeVisible()
  await wellMade(page)
})

test('an entry opens whole; its proof and an export are downloaded', async ({ page }) => {
  const user = `pia-${test.info().workerIndex}-${Date.now()}`
  const id = await call('chat', 3, user)
  await logIn(page)
  await page.goto(`${url}/ui/audit?user=${user}`)
  await page.getByRole('button', { name: /^Show entry #/ }).click()
  const drawer = page.getByRole('dialog')
  await expect(drawer.getByText(id)).toBeVisible()
  await expect(drawer.getByText(/Question 3/)).toBeVisible()
  await wellMade(page, '[role=dialog]')
  const [proof] = await Promise.all([page.waitForEvent('download'), drawer.getByRole('link', { name: 'Download the proof' }).click()])
  expect(JSON.parse(readFileSync(await proof.path(), 'utf8')).seq).toBeGreaterThanOrEqual(0)
  await page.keyboard.press('Escape')
  await page.getByRole('button', { name: 'Export' }).click()
  const [file] = await Promise.all([page.waitForEvent('download'), page.getByRole('menuitem', { name: /JSON/ }).click()])
  const lines = readFileSync(await file.path(), 'utf8')
    .trim()
    .split('\n')
  expect(lines.map((l) => JSON.parse(l).request_id)).toEqual([id])
})

test('a user is erased after the name was typed, and then nobody can read what was asked', async ({ page }) => {
  const user = `rob-${test.info().workerIndex}-${Date.now()}`
  const id = await call('chat', 4, user)
  await logIn(page)
  await go(page, 'Audit')
  await page.getByLabel('Name or id').fill(user)
  await page.getByRole('button', { name: 'Erase…' }).click()
  const dialog = page.getByRole('dialog')
  await expect(dialog.getByRole('button', { name: 'Erase' })).toBeDisabled()
  await dialog.getByRole('textbox').fill(user)
  await wellMade(page, '[role=dialog]')
  await dialog.getByRole('button', { name: 'Erase' }).click()
  await expect(page.getByText(/One entry was erased; entry #\d+ notes it/)).toBeVisible()
  const r = await page.request.get(`${url}/control/v1/audit/entries?user=${user}`)
  expect(await r.text()).not.toContain(id)
})
