import { expect, go, logIn, type Page, server, test, url, wellMade } from './page'

test('the settings are well made @looks', async ({ page }) => {
  await logIn(page)
  await go(page, 'Settings')
  for (const [tab, sign] of [
    ['Common', 'Keep answers for'],
    ['Config file', 'Text of corral.yaml'],
    ['Guard', 'Found since Corral’s start'],
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

test('what calls must not say is set, and a call that says it is refused and found', async ({ page, complaints }) => {
  // Another in each window, for both may have this test at the same time.
  const user = `guard-${test.info().workerIndex}-${Date.now()}`
  const [field, said, found] =
    test.info().project.name === 'wide light'
      ? ['Personal data in a call', `Write to ${user}@example.org`, 'email: refused']
      : ['Keys and passwords in a call', `The key is ${'hf_'}${'aB3dE5gH7jK9mN1pQ3sT5vX7zA9cD1fG3h'}`, 'huggingface_token: refused']
  const ask = async (text: string) => {
    const r = await fetch(`${url}/v1/chat/completions`, {
      method: 'POST',
      headers: { 'Content-Type': 'application/json', 'Corral-User': user },
      body: JSON.stringify({ model: 'chat', max_tokens: 4, messages: [{ role: 'user', content: text }] }),
    })
    return { status: r.status, body: await r.text() }
  }
  const set = (what: string) => setTo(page, complaints, field, what)
  await logIn(page)
  await set('refuse the call')
  await expect.poll(async () => (await ask(said)).status).toBe(400)
  expect((await ask(said)).body).toContain('guard_blocked')
  await page.goto(`${url}/ui/calls?flag=blocked&user=${user}`)
  const row = page.getByRole('row').filter({ hasText: '400' }).first()
  await expect(row).toBeVisible()
  await row.getByRole('button').first().click()
  const drawer = page.getByRole('dialog')
  await expect(drawer.getByText(found)).toBeVisible()
  await wellMade(page, '[role=dialog]')
  await set('let it pass')
  await expect.poll(async () => (await ask(said)).status).toBe(200)
})

test('that no text may leave this machine is set, and holds for a model that Ollama would pass on', async ({ page, complaints }) => {
  const name = `far-${test.info().workerIndex}-${Date.now()}`
  const made = await fetch(`${server.ollama}/api/create`, {
    method: 'POST',
    body: JSON.stringify({ model: name, from: 'big', remote_host: 'http://big.example:8080', stream: false }),
  })
  expect(await made.text()).toContain('success')
  await logIn(page)
  await go(page, 'Models')
  const card = page.getByRole('listitem', { name: `${name}:latest` })
  await expect(card).toContainText('Not on this device')
  await expect(card).toContainText('Its server passes the text on to big.example:8080')
  await setTo(page, complaints, 'Text may leave this machine', 'never: such calls are refused')
  const ask = async () => {
    const r = await fetch(`${url}/api/chat`, {
      method: 'POST',
      body: JSON.stringify({ model: name, messages: [{ role: 'user', content: 'hi' }] }),
    })
    return `${r.status} ${await r.text()}`
  }
  await expect.poll(ask).toMatch(/^501 .*big\.example:8080.*local_only/)
})

/** Chooses a value in the settings, and applies it. A test in the other window may change the file at the same moment, or have set it. */
async function setTo(page: Page, complaints: string[], field: string, what: string) {
  await expect(async () => {
    await page.goto(`${url}/ui/settings`)
    const box = page.getByRole('combobox', { name: field })
    const show = page.getByRole('button', { name: 'Show what changes' })
    await expect(box).toBeVisible({ timeout: 10_000 })
    if ((await box.inputValue()) !== what) {
      await box.click({ timeout: 2_000 })
      await page.getByRole('option', { name: what, exact: true }).click({ timeout: 2_000 })
      await show.click({ timeout: 2_000 })
      await page.getByRole('button', { name: 'Apply' }).click({ timeout: 5_000 })
      await expect(show).toBeDisabled({ timeout: 5_000 })
    }
    await expect(page.getByText('This cannot be applied')).toHaveCount(0)
    await expect(box).toHaveValue(what)
  }).toPass()
  const others = complaints.filter((c) => !c.includes('412 (Precondition Failed)'))
  complaints.splice(0, complaints.length, ...others)
}
