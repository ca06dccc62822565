import { expect, logIn, test, url } from './page'

const paths = ['/', '/playground', '/calls', '/models', '/routing', '/cache', '/costs', '/audit', '/health', '/settings']

test('the first paint comes within a second', async ({ page }) => {
  await logIn(page)
  const paint = async () => {
    await page.goto(`${url}/ui/`)
    await expect(page.getByRole('heading', { level: 1, name: 'Overview' })).toBeVisible()
    return page.evaluate(
      () =>
        new Promise<number>((painted) => {
          new PerformanceObserver((list) => {
            for (const e of list.getEntriesByName('first-contentful-paint')) painted(e.startTime)
          }).observe({ type: 'paint', buffered: true })
        }),
    )
  }
  // The best of three: what else this machine does at the moment says nothing of the page.
  const paints = [await paint(), await paint(), await paint()]
  console.log('first paint, in ms:', paints)
  expect(Math.min(...paints)).toBeGreaterThan(0)
  expect(Math.min(...paints)).toBeLessThan(1000)
})

test('nothing jumps while a page comes up', async ({ page }) => {
  type Shift = PerformanceEntry & { value: number; hadRecentInput: boolean; sources: { node?: Node }[] }
  await page.addInitScript(() => {
    const w = window as unknown as { jumps: [number, string][] }
    w.jumps = []
    new PerformanceObserver((list) => {
      for (const e of list.getEntries() as Shift[])
        if (!e.hadRecentInput) w.jumps.push([e.value, e.sources.map((s) => s.node?.textContent?.slice(0, 60)).join(' | ')])
    }).observe({ type: 'layout-shift', buffered: true })
  })
  await logIn(page)
  for (const path of paths) {
    await page.goto(`${url}/ui${path}`)
    await expect(page.getByRole('heading', { level: 1 })).toBeVisible()
    await expect(page.getByRole('status', { name: 'Loading' })).toHaveCount(0)
    const jumps = await page.evaluate(() => (window as unknown as { jumps: [number, string][] }).jumps)
    // 0.1 is what web.dev calls good.
    expect(
      jumps.reduce((sum, [value]) => sum + value, 0),
      `${path}: ${JSON.stringify(jumps)}`,
    ).toBeLessThan(0.1)
  }
})

test('the keyboard goes from the top of the page to its content', async ({ page }) => {
  await logIn(page)
  await page.goto(`${url}/ui/costs`)
  await expect(page.getByRole('heading', { level: 1, name: 'Costs' })).toBeVisible()
  await page.keyboard.press('Tab')
  const skip = page.getByRole('link', { name: 'To the content' })
  await expect(skip).toBeFocused()
  await page.keyboard.press('Enter')
  await expect(page.getByRole('main')).toBeFocused()
  await page.keyboard.press('Tab')
  expect(await page.evaluate(() => document.activeElement?.closest('main') !== null)).toBe(true)
})
