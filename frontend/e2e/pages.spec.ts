import { readFileSync } from 'node:fs'
import { call } from './corral'
import { expect, go, logIn, test, url, wellMade } from './page'

test('who is not logged in is told what to do @looks', async ({ page }) => {
  await page.goto(`${url}/ui/calls`)
  await expect(page.getByRole('heading', { name: 'Log in to Corral' })).toBeVisible()
  await expect(page.getByText('corral ui', { exact: true })).toBeVisible()
  await wellMade(page)
})

test('the pages have all states well made @looks', async ({ page }) => {
  await logIn(page)
  await expect(page.getByRole('region', { name: 'Service levels' }).getByRole('table')).toBeVisible()
  await wellMade(page)
  for (const [title, sign] of [
    ['Calls', /\d+ calls/],
    ['Cache', 'In memory'],
    ['Costs', 'Where it went'],
    ['Health', /What is well \(\d+\)/],
  ] as const) {
    await go(page, title)
    await expect(page.getByText(sign).first()).toBeVisible()
    await expect(page.getByRole('status', { name: 'Loading' })).toHaveCount(0)
    await wellMade(page)
  }
})

test('the overview is alive: a call counts without the page being loaded anew', async ({ page }) => {
  await logIn(page)
  const tile = page.getByRole('region', { name: 'Calls in the last minute' })
  const inAll = async () => Number(/(\d+) (in|since) /.exec((await tile.textContent()) ?? '')?.[1])
  await expect.poll(inAll).toBeGreaterThan(0)
  const before = await inAll()
  await call('chat', 1)
  await expect.poll(inAll).toBeGreaterThan(before)
  await expect(page.getByRole('cell', { name: 'local/tiny', exact: true })).toBeVisible()
  await expect(page.getByRole('region', { name: 'Spent today' })).toContainText('$')
})

test('a call comes up in the list as it ends, and opens whole', async ({ page, context }) => {
  await context.grantPermissions(['clipboard-read', 'clipboard-write'])
  await logIn(page)
  await go(page, 'Calls')
  await expect(page.getByRole('row').nth(1)).toBeVisible()
  const user = `eva-${test.info().workerIndex}-${Date.now()}`
  const id = await call('broken', 99, user)
  const row = page.getByRole('row').filter({ hasText: user })
  await expect(row).toContainText('500')
  await row.getByRole('button').click()
  const drawer = page.getByRole('dialog')
  await expect(drawer.getByText(id)).toBeVisible()
  await expect(drawer.getByText('"Question 99"')).toBeVisible()
  await wellMade(page, '[role=dialog]')
  await drawer.getByRole('button', { name: 'Copy as curl' }).click()
  await expect(drawer.getByRole('button', { name: 'Copied' })).toBeVisible()
  const command = await page.evaluate(() => navigator.clipboard.readText())
  expect(command).toContain(`curl '${url}/api/chat'`)
  expect(command).toContain('Question 99')
  await page.keyboard.press('Escape')
  await expect(drawer).toBeHidden()

  await page.getByRole('button', { name: 'Filters' }).click()
  await page.getByLabel('User').fill(user)
  await expect(page.getByText('1 call', { exact: true })).toBeVisible()
  await expect(page).toHaveURL(new RegExp(`user=${user}`))
  await page.getByLabel('User').fill('nobody')
  await expect(page.getByText('No call is like that')).toBeVisible()
})

test('the list is walked with the keyboard', async ({ page }) => {
  await logIn(page)
  await page.goto(`${url}/ui/calls?status=200`)
  await expect(page.getByRole('row').nth(1)).toBeVisible()
  await page.getByRole('group', { name: 'Calls, newest first' }).focus()
  for (const key of ['ArrowDown', 'ArrowDown', 'End', 'Home']) {
    await page.keyboard.press(key)
    await expect(page.locator('[data-index] button:focus')).toHaveCount(1)
  }
  await expect(page.locator('[data-index="0"] button')).toBeFocused()
  await page.keyboard.press('Enter')
  await expect(page.getByRole('dialog')).toBeVisible()
})

test('kept answers are shown, and removed after a question', async ({ page }) => {
  const model = 'tiny-v2'
  await call(model, 1)
  await logIn(page)
  await go(page, 'Cache')
  await page.getByLabel('Model').fill(model)
  const show = page.getByRole('button', { name: `Show the answer of ${model}` }).first()
  await expect(show).toBeVisible()
  await show.click()
  await expect(page.getByRole('dialog').getByText('Dawn came over the corral')).toBeVisible()
  await page.keyboard.press('Escape')
  await page.getByRole('button', { name: 'Remove these' }).click()
  await wellMade(page, '[role=dialog]')
  await page.getByRole('button', { name: 'Keep them' }).click()
  await expect(show).toBeVisible()
  await page.getByRole('button', { name: 'Remove these' }).click()
  await page.getByRole('dialog').getByRole('button', { name: 'Remove' }).click()
  await expect(page.getByText(/(was|were) removed/)).toBeVisible()
})

test('costs are broken down, downloaded, and compared with the budget', async ({ page }) => {
  await logIn(page)
  await go(page, 'Costs')
  await expect(page.getByText(/a day for all calls, then a warning/)).toBeVisible()
  await page.getByRole('radiogroup', { name: 'Broken down by' }).getByText('User').click()
  await expect(page.getByRole('rowheader', { name: 'ann' })).toBeVisible()
  const [download] = await Promise.all([page.waitForEvent('download'), page.getByRole('button', { name: 'CSV' }).click()])
  expect(download.suggestedFilename()).toBe('corral-user-30d.csv')
  const lines = readFileSync(await download.path(), 'utf8').split('\r\n')
  expect(lines[0]).toMatch(/^user,calls,errors/)
  expect(lines.some((l) => l.startsWith('ann,'))).toBe(true)
})

test('health says what mends a condition', async ({ page }) => {
  await logIn(page)
  await go(page, 'Health')
  const budgets = page.getByRole('listitem').filter({ hasText: 'Budgets' })
  await expect(budgets).toContainText('What mends it')
  await expect(budgets.getByRole('button', { name: 'Copy' })).toBeVisible()
})

test('the command palette goes to a page, and changes the colours for good', async ({ page }) => {
  await logIn(page)
  await page.keyboard.press('Control+k')
  await page.getByPlaceholder('A page or a command').fill('costs')
  await page.keyboard.press('Enter')
  await expect(page.getByRole('heading', { level: 1, name: 'Costs' })).toBeVisible()
  const scheme = () => page.evaluate(() => document.documentElement.dataset.mantineColorScheme)
  const before = await scheme()
  await page.getByRole('button', { name: /Show it/ }).click()
  await expect.poll(scheme).not.toBe(before)
  const after = await scheme()
  await page.reload()
  await expect(page.getByRole('heading', { level: 1, name: 'Costs' })).toBeVisible()
  expect(await scheme()).toBe(after)
})

test('who logs out sees nothing more', async ({ page }) => {
  await logIn(page)
  await page.keyboard.press('Control+k')
  await page.getByPlaceholder('A page or a command').fill('log out')
  await page.keyboard.press('Enter')
  await expect(page.getByRole('heading', { name: 'Log in to Corral' })).toBeVisible()
  await page.goto(`${url}/ui/calls`)
  await expect(page.getByRole('heading', { name: 'Log in to Corral' })).toBeVisible()
})
