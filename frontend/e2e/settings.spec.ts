import { expect, go, logIn, test, url, wellMade } from './page'

test('the settings are well made @looks', async ({ page }) => {
  await logIn(page)
  await go(page, 'Settings')
  for (const [tab, sign] of [
    ['Common', 'Keep answers for'],
    ['Config file', 'Text of corral.yaml'],
    ['App keys', 'Whose key'],
    ['This Corral', 'Data folder'],
  ] as const) {
    await page.getByRole('tab', { name: tab }).click()
    await expect(
      page
        .getByLabel(sign)
        .or(page.getByText(sign, { exact: true }))
        .first(),
    ).toBeVisible()
    await expect(page.getByRole('status', { name: 'Loading' })).toHaveCount(0)
    await wellMade(page)
  }
})

test('a wrong line of the config is told beside it, and cannot be applied', async ({ page }) => {
  await logIn(page)
  await page.goto(`${url}/ui/settings?part=file`)
  const text = page.getByLabel('Text of corral.yaml')
  await text.fill(`${await text.inputValue()}nonsense: 1\n`)
  await expect(page.getByText(/nonsense/).last()).toBeVisible()
  await expect(async () => {
    const keep = page.getByRole('button', { name: 'Keep my text in its place' }) // a test in the other window has changed the file
    if (await keep.isVisible()) await keep.click()
    await page.getByRole('button', { name: 'Show what changes' }).click({ timeout: 2_000 })
    await expect(page.getByText('This cannot be applied')).toBeVisible({ timeout: 2_000 })
  }).toPass()
  await expect(page.getByRole('button', { name: 'Apply' })).toBeDisabled()
})

test('a key is made, shown once, and revoked', async ({ page }) => {
  const name = `app-${test.info().workerIndex}-${Date.now()}`
  await logIn(page)
  await page.goto(`${url}/ui/settings?part=keys`)
  await page.getByLabel('Whose key').fill(name)
  await page.getByRole('button', { name: 'Make a key' }).click()
  await expect(page.getByText('It is shown this once.', { exact: false })).toBeVisible()
  await wellMade(page)
  await page.getByRole('button', { name: `Revoke the key of ${name}` }).click()
  await page.getByRole('dialog').getByRole('button', { name: 'Revoke' }).click()
  await expect(page.getByRole('button', { name: `Revoke the key of ${name}` })).toHaveCount(0)
})
