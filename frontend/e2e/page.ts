import { AxeBuilder } from '@axe-core/playwright'
import { test as base, expect, type Page } from '@playwright/test'
import type { ModelServer } from './corral'

export { expect, type Page }

/** Where Corral is. */
export const url = process.env.CORRAL_URL ?? ''
/** The operator's token. */
export const token = process.env.CORRAL_OPERATOR ?? ''
/** Where the Ollama behind it is, and the registries that it can pull from. */
export const server = JSON.parse(process.env.CORRAL_MODEL_SERVER ?? '{}') as ModelServer

/** A test that fails when the page complained. One in which it should takes `complaints` and empties it. */
export const test = base.extend<{ complaints: string[] }>({
  complaints: [
    async ({ page }, use) => {
      const complaints: string[] = []
      page.on('pageerror', (e) => complaints.push(e.message))
      page.on('console', (m) => m.type() === 'error' && complaints.push(`${m.text()} ${m.location().url}`))
      await use(complaints)
      expect(complaints).toEqual([])
    },
    { auto: true },
  ],
})

/** Logs in as a person does: by the link that `corral ui` makes, through the page that takes it. */
export async function logIn(page: Page) {
  const r = await fetch(`${url}/control/v1/session/link`, {
    method: 'POST',
    headers: { Authorization: `Bearer ${token}`, 'Content-Type': 'application/json' },
    body: '{}',
  })
  expect(r.status).toBe(201)
  await page.goto((await r.json()).url)
  await expect(page.getByRole('heading', { level: 1, name: 'Overview' })).toBeVisible()
  await expect(page.getByText('Live', { exact: true }).first()).toBeAttached()
}

/** Goes to a page by the menu, which a narrow window hides behind a button. */
export async function go(page: Page, title: string) {
  const button = page.getByRole('button', { name: 'Open the menu' })
  if (await button.isVisible()) await button.click()
  await page.getByRole('navigation', { name: 'Pages' }).getByRole('link', { name: title }).click()
  await expect(page.getByRole('heading', { level: 1, name: title })).toBeVisible()
}

/** No violation that axe knows of, and nothing wider than the window. */
export async function wellMade(page: Page, part = 'html') {
  // A colour that still fades in is none to judge. One that is taken away meanwhile is nobody's.
  await page.evaluate(() =>
    Promise.allSettled(document.getAnimations().flatMap((a) => (a.effect?.getTiming().iterations === Infinity ? [] : a.finished))).then(
      () => {},
    ),
  )
  const { violations } = await new AxeBuilder({ page }).include(part).analyze()
  expect(violations.map((v) => `${v.id}: ${v.nodes.map((n) => n.html.slice(0, 200)).join(' | ')}`)).toEqual([])
  expect(await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth)).toBeLessThanOrEqual(0)
}
