import { expect, go, logIn, type Page, server, test, wellMade } from './page'

/** The registry's address by another name in each window size, so that what one pulls is not what the other removes. */
function registry(page: Page, url: string) {
  return isWide(page) ? url : url.replace('127.0.0.1', 'localhost')
}

const isWide = (page: Page) => (page.viewportSize()?.width ?? 0) > 600

async function ask(page: Page, model: string) {
  await page.getByRole('button', { name: 'Pull a model' }).click()
  const dialog = page.getByRole('dialog', { name: 'Pull a model' })
  await dialog.getByLabel('Name').fill(model)
  await dialog.getByLabel('Allow a registry without encryption').check()
  await dialog.getByRole('button', { name: 'Pull it' }).click()
  return dialog
}

test('what is on this device is told, with what it would need @looks', async ({ page }) => {
  await logIn(page)
  await go(page, 'Models')
  const tiny = page.getByRole('listitem', { name: 'tiny-v2:latest' })
  await expect(tiny).toContainText('F16')
  await expect(tiny).toContainText('2,048 tokens of context, made for 4,096')
  await expect(tiny).toContainText('tools')
  await expect(tiny).toContainText(/It (needs about|takes) \d+/)
  await expect(page.getByRole('listitem', { name: 'tiny:latest' })).toContainText('The config uses it: the model chat')
  await expect(page.getByRole('status', { name: 'Loading' })).toHaveCount(0)
  await wellMade(page)
  await page.getByRole('button', { name: 'Pull a model' }).click()
  await expect(page.getByRole('dialog', { name: 'Pull a model' })).toBeVisible()
  await wellMade(page, '[role=dialog]')
})

test('a model is pulled, loaded, let go and removed', async ({ page }) => {
  await logIn(page)
  await go(page, 'Models')
  // Of two names for the same model Ollama tells of one only: each window has a model of its own.
  const from = `${server.registry}/library/${isWide(page) ? 'small' : 'little'}`
  const dialog = await ask(page, from)
  await expect(dialog.getByText(/It is there: \d/)).toBeVisible()
  await dialog.getByRole('button', { name: 'Close' }).last().click()
  const name = `${from.replace('http://', '')}:latest`
  const card = page.getByRole('listitem', { name, exact: true })
  await expect(card).toBeVisible()

  // What the other window loads comes first in the list, and moves the card away under the pointer.
  await expect(async () => {
    const half = page.getByRole('menuitem', { name: 'For 30 minutes after its last use' })
    if (!(await half.isVisible())) await card.getByRole('button', { name: 'Load' }).click({ timeout: 2_000 })
    await half.click({ timeout: 2_000 })
    await expect(card.getByText(/In memory, (29|30) min \d+ s more/)).toBeVisible({ timeout: 10_000 })
  }).toPass()
  await wellMade(page)
  await card.getByRole('button', { name: 'Let go' }).click()
  await expect(card.getByText(/In memory/)).toHaveCount(0)

  await card.getByRole('button', { name: 'Remove' }).click()
  const question = page.getByRole('dialog', { name: 'Remove this model?' })
  await wellMade(page, '[role=dialog]')
  await question.getByRole('button', { name: 'Keep it' }).click()
  await expect(card).toBeVisible()
  await card.getByRole('button', { name: 'Remove' }).click()
  await question.getByRole('button', { name: 'Remove' }).click()
  await expect(card).toHaveCount(0)
  await page.getByRole('button', { name: `Dismiss the pull of ${from}` }).click()
  await expect(page.getByRole('listitem', { name: `Pull of ${from}` })).toHaveCount(0)
})

test('a pull tells how far it is, outlives the page, and is cancelled', async ({ page }) => {
  await logIn(page)
  await go(page, 'Models')
  const from = `${registry(page, server.slow_registry)}/library/large`
  const dialog = await ask(page, from)
  await expect(dialog.getByText(/ of 20\.\d MiB · .*\/s/)).toBeVisible()
  await wellMade(page, '[role=dialog]')
  await page.reload()
  const row = page.getByRole('listitem', { name: `Pull of ${from}` })
  const done = async () => Number(/([\d.]+) (?:MiB|KiB) of/.exec((await row.textContent()) ?? '')?.[1])
  await expect.poll(done).toBeGreaterThan(0)
  const before = await row.textContent()
  await expect.poll(() => row.textContent()).not.toBe(before)
  await expect(row.getByRole('progressbar')).toBeVisible()
  await row.getByRole('button', { name: 'Cancel' }).click()
  await expect(row).toContainText('Cancelled')
  await row.getByRole('button', { name: 'Dismiss' }).click()
  await expect(row).toHaveCount(0)
})

test('a pull that fails says what to do', async ({ page }) => {
  await logIn(page)
  await go(page, 'Models')
  const from = `${registry(page, server.registry)}/library/nope`
  const dialog = await ask(page, from)
  await expect(dialog.getByRole('alert')).toContainText('The registry has no such model')
  await dialog.getByRole('button', { name: 'Close' }).last().click()
  await page.getByRole('button', { name: `Dismiss the pull of ${from}` }).click()
})
