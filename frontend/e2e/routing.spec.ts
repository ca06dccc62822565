import { expect, go, logIn, type Page, server, test, token, url, wellMade } from './page'

/** A name of this window size's own, so that the tests of one do not meet those of the other. */
const own = (page: Page, what: string) => `${what}-${(page.viewportSize()?.width ?? 0) > 600 ? 'wide' : 'narrow'}`

test.describe.configure({ mode: 'serial' }) // all of them change the same file

/** Looks at what changes, and applies it; anew where a test in the other window has changed the file meanwhile. */
async function apply(page: Page, change: RegExp, complaints: string[]) {
  const dialog = page.getByRole('dialog')
  await expect(dialog.getByText(change).first()).toBeVisible()
  await wellMade(page, '[role=dialog]')
  await expect(async () => {
    const again = dialog.getByRole('button', { name: 'Try again' })
    if (await again.isVisible()) await again.click()
    const button = dialog.getByRole('button', { name: 'Apply' })
    if (await button.isVisible()) await button.click({ timeout: 2_000 })
    await expect(dialog).toHaveCount(0, { timeout: 3_000 })
  }).toPass()
  const others = complaints.filter((c) => !c.includes('412 (Precondition Failed)'))
  complaints.splice(0, complaints.length, ...others)
}

/** One call of an app: who answered, and by which way. */
async function ask(model: string, question: string) {
  const r = await fetch(`${url}/v1/chat/completions`, {
    method: 'POST',
    headers: { 'Content-Type': 'application/json' },
    body: JSON.stringify({ model, messages: [{ role: 'user', content: question }] }),
  })
  const text = await r.text()
  return { status: r.status, provider: r.headers.get('Corral-Provider'), route: r.headers.get('Corral-Route'), text }
}

/** Edits corral.yaml as `corral config` does. */
async function edit(edits: object[]) {
  await expect(async () => {
    const headers = { Authorization: `Bearer ${token}`, 'Content-Type': 'application/json' }
    const { revision } = await (await fetch(`${url}/control/v1/config`, { headers })).json()
    const r = await fetch(`${url}/control/v1/config`, {
      method: 'PATCH',
      headers: { ...headers, 'If-Match': `"${revision}"` },
      body: JSON.stringify({ edits }),
    })
    expect(r.status, await r.text()).toBe(200)
  }).toPass()
}

test('routing is well made @looks', async ({ page }) => {
  await logIn(page)
  await go(page, 'Routing')
  await expect(page.getByText('Answers', { exact: true }).first()).toBeVisible()
  await page.getByRole('button', { name: 'What would happen?' }).click()
  await expect(page.getByRole('group', { name: 'Targets of the call' }).getByText('Asked first')).toBeVisible()
  await expect(page.getByRole('status', { name: 'Loading' })).toHaveCount(0)
  await wellMade(page)
  for (const [button, title] of [
    ['Add a server', 'Add a model server'],
    ['Add a name', 'Add a name'],
    ['Rules of chat', 'Rules of chat'],
  ] as const) {
    await page.getByRole('button', { name: button, exact: true }).click()
    await expect(page.getByRole('dialog', { name: title })).toBeVisible()
    await wellMade(page, '[role=dialog]')
    await page.keyboard.press('Escape')
    await expect(page.getByRole('dialog')).toHaveCount(0)
  }
})

test('a server is added with its key, which is never shown again, tried, and removed', async ({ page, complaints }) => {
  const name = own(page, 'cloud')
  const key = `sk-${name}-0123456789`
  await logIn(page)
  await go(page, 'Routing')
  await page.getByRole('button', { name: 'Add a server' }).click()
  const dialog = page.getByRole('dialog', { name: 'Add a model server' })
  await dialog.getByLabel('Name').fill(name)
  await dialog.getByLabel('Address').fill(`${server.ollama}/v1`)
  await dialog.getByLabel('Key', { exact: true }).fill(key)
  await dialog.getByRole('button', { name: 'Test' }).click()
  await expect(dialog.getByText(/^It answers in \d+ ms/)).toBeVisible()
  await dialog.getByRole('button', { name: 'Show what changes' }).click()
  await apply(page, new RegExp(`keyring:${name}`), complaints)
  await page.getByRole('button', { name: `Test ${name}` }).click()
  await expect(page.getByText(/^It answers in \d+ ms/)).toBeVisible()
  expect(await page.content()).not.toContain(key)
  const told = await page.request.get(`${url}/control/v1/config`)
  expect(await told.text()).toContain(`keyring:${name}`)
  expect(await told.text()).not.toContain(key)
  await page.getByRole('button', { name: `Remove ${name}` }).click()
  await apply(page, new RegExp(`keyring:${name}`), complaints)
  await expect(page.getByRole('button', { name: `Test ${name}` })).toHaveCount(0)
})

test('a name gets targets, another order, an outage, and a last word', async ({ page, complaints }) => {
  const spare = own(page, 'spare')
  const name = own(page, 'pair')
  await edit([{ op: 'add', path: 'providers', value: { name: spare, kind: 'ollama', url: server.ollama } }])
  await logIn(page)
  await go(page, 'Routing')

  await page.getByRole('button', { name: 'Add a name' }).click()
  let dialog = page.getByRole('dialog', { name: 'Add a name' })
  await dialog.getByLabel('Name').fill(name)
  await dialog.getByLabel('Model').fill('tiny')
  await page.keyboard.press('Tab') // the list of models closes
  await dialog.getByRole('button', { name: 'Show what changes' }).click()
  await apply(page, new RegExp(name), complaints)
  await page.getByRole('button', { name: `Add a target to ${name}` }).click()
  dialog = page.getByRole('dialog', { name: `Add a target to ${name}` })
  await dialog.getByLabel('Server').click()
  await page.getByRole('option', { name: spare }).click()
  await dialog.getByLabel('Model').fill('tiny')
  await page.keyboard.press('Tab') // the list of models closes
  await dialog.getByRole('button', { name: 'Show what changes' }).click()
  await apply(page, new RegExp(spare), complaints)

  // By the keyboard there and back, and then by the mouse.
  const targets = page.getByRole('list', { name: `Targets of ${name}, in order` }).getByRole('listitem')
  await expect(targets).toHaveText([/1\. local\/tiny/, new RegExp(`2\\. ${spare}/tiny`)])
  await page.getByRole('button', { name: new RegExp(`^Move ${spare}/tiny`) }).focus()
  await page.keyboard.press('ArrowUp')
  await expect(page.getByText(`${spare}/tiny is now number 1 of 2 for ${name}. Not written yet.`)).toBeAttached()
  await page.getByRole('button', { name: 'As it was' }).click()
  await targets.nth(1).dragTo(targets.nth(0))
  await expect(targets).toHaveText([new RegExp(`1\\. ${spare}/tiny`), /2\. local\/tiny/])
  await page.getByRole('button', { name: 'Show what changes' }).click()
  await apply(page, new RegExp(spare), complaints)
  expect(await ask(name, 'Who?')).toMatchObject({ status: 200, provider: spare })

  // The first one fails, as if its server did.
  const outage = page.getByRole('region', { name: 'Try an outage' })
  await outage.getByLabel('What fails').click()
  await page.getByRole('option', { name: `${spare}/tiny` }).click()
  await outage.getByRole('button', { name: 'Begin the outage' }).click()
  await expect(page.getByText(new RegExp(`${spare}/tiny fails`))).toBeVisible()
  const other = await ask(name, 'Who now?')
  expect(other).toMatchObject({ status: 200, provider: 'local' })
  expect(other.route).toMatch(/^fallback:/)
  await page.getByRole('button', { name: `End the outage of ${spare}/tiny` }).click()
  await expect(page.getByText(new RegExp(`${spare}/tiny fails`))).toHaveCount(0)

  // The first one is kept away by hand, the other taken out: a sentence is what is left.
  await page.getByRole('button', { name: `Rules of ${name}` }).click()
  await page.getByRole('dialog').getByLabel('Then say').fill('The model is resting.')
  await page.getByRole('dialog').getByRole('button', { name: 'Show what changes' }).click()
  await apply(page, /The model is resting/, complaints)
  const card = page.getByRole('list', { name: `Targets of ${name}, in order` })
  await card.getByLabel(`Breaker of ${spare}/tiny`).click()
  await page.getByRole('option', { name: 'Keep calls away' }).click()
  await expect(card.getByText('open', { exact: true })).toBeVisible()
  await edit([{ op: 'remove', path: `models["${name}"].targets[1]` }])
  expect(await ask(name, 'Anybody?')).toMatchObject({ status: 200, route: 'static' })

  await page.reload()
  await page.getByRole('button', { name: `Remove ${name}` }).click()
  await apply(page, new RegExp(name), complaints)
  await edit([{ op: 'remove', path: `providers["${spare}"]` }])
})
