import { expect, go, logIn, test, url, wellMade } from './page'

test('the guide leads to an answer and to an address @looks', async ({ page }) => {
  await logIn(page)
  await go(page, 'First steps')
  const here = page.getByRole('radiogroup', { name: 'Those that are on this machine' })
  await expect(here.getByRole('radio').first()).toBeChecked()
  const { models } = await (await page.request.get(`${url}/control/v1/library`)).json()
  const vectors = models.filter((m: { capabilities: string[] }) => m.capabilities.length > 0 && !m.capabilities.includes('completion'))
  expect(vectors.length).toBeGreaterThan(0)
  for (const { name } of vectors) await expect(page.getByRole('radio', { name, exact: true })).toHaveCount(0)
  await expect(page.getByRole('radiogroup', { name: 'Names in your config' }).getByRole('radio', { name: 'chat' })).not.toBeChecked()
  await page.getByRole('radio', { name: /^tiny(:|$)/ }).check()
  await expect(page.getByText(/ollama run tiny:latest$/)).toBeVisible()
  await wellMade(page)
  await page.getByRole('button', { name: 'Ask', exact: true }).click()
  await expect(page.getByText(/ answered$/)).toBeVisible({ timeout: 30_000 })
  await expect(page.getByText(url, { exact: true })).toBeVisible()
  for (const api of ['OpenAI', 'Anthropic', 'curl']) await page.getByRole('tab', { name: api }).click()
  await wellMade(page)
  if (process.env.CORRAL_LOOKS)
    await page.screenshot({ path: `${process.env.CORRAL_LOOKS}/${test.info().project.name}.png`, fullPage: true })
})

test('where apps are asked for a key the guide still leads to an answer, and to a key', async ({ page }) => {
  await page.route('**/control/v1/status', async (route) => {
    const answer = await route.fetch()
    await route.fulfill({ response: answer, json: { ...(await answer.json()), auth: 'required' } })
  })
  // What an app asks is refused then, and would be a complaint of the browser too.
  await page.route(/\/(api|v1)\//, (route) => (route.request().url().includes('/control/v1/') ? route.fallback() : route.abort()))
  await logIn(page)
  await go(page, 'First steps')
  await page.getByRole('radio', { name: 'chat', exact: true }).check()
  await page.getByRole('button', { name: 'Ask', exact: true }).click()
  await expect(page.getByText('chat answered')).toBeVisible({ timeout: 30_000 })
  await expect(page.getByText('corral keys create my-app')).toBeVisible()
  await wellMade(page)
  await page.getByRole('link', { name: 'Settings, App keys' }).click()
  await expect(page.getByRole('button', { name: 'Make a key' })).toBeVisible()
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
