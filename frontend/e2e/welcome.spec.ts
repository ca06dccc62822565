import { expect, go, logIn, test, url, wellMade } from './page'

test('the guide leads to an answer and to an address @looks', async ({ page }) => {
  await logIn(page)
  await go(page, 'First steps')
  await page.getByRole('radio', { name: /^tiny(:|$)/ }).check()
  await wellMade(page)
  await page.getByRole('button', { name: 'Ask', exact: true }).click()
  await expect(page.getByText(/ answered$/)).toBeVisible({ timeout: 30_000 })
  await expect(page.getByText(url, { exact: true })).toBeVisible()
  for (const api of ['OpenAI', 'Anthropic', 'curl']) await page.getByRole('tab', { name: api }).click()
  await wellMade(page)
  if (process.env.CORRAL_LOOKS)
    await page.screenshot({ path: `${process.env.CORRAL_LOOKS}/${test.info().project.name}.png`, fullPage: true })
})

test('where nobody has called the guide comes by itself, until it is refused', async ({ page }) => {
  await page.route('**/control/v1/audit/entries?*', (route) => route.fulfill({ json: { entries: [] } }))
  await logIn(page).catch(() => {}) // the overview may be gone before it was seen
  await expect(page.getByRole('heading', { level: 1, name: 'First steps' })).toBeVisible()
  await page.getByRole('button', { name: 'Do not show this at start' }).click()
  await expect(page.getByRole('heading', { level: 1, name: 'Overview' })).toBeVisible()
  await page.goto(`${url}/ui/`)
  await expect(page.getByText('Live', { exact: true }).first()).toBeAttached()
  await expect(page.getByRole('heading', { level: 1, name: 'Overview' })).toBeVisible()
})
