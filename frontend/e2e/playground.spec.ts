import { call } from './corral'
import { expect, go, logIn, type Page, test, url, wellMade } from './page'

const question = (page: Page) => page.getByRole('textbox', { name: 'Question' })

/** A question that nobody has asked before, so that the model answers and not the cache. */
const unique = (text: string) => `${text} ${test.info().project.name} ${Date.now()}`

async function choose(page: Page, label: string, name: RegExp) {
  await page.getByRole('combobox', { name: label, exact: true }).click()
  await page.getByRole('option', { name }).click()
}

/** Sets a temperature at which the tiny model tells its one story. */
async function cold(page: Page) {
  await page.getByRole('button', { name: 'Parameters' }).click()
  await page.getByLabel('Temperature').fill('0')
  await page.getByRole('combobox', { name: 'Thinking' }).click()
  await page.getByRole('option', { name: 'off' }).click()
}

test('a question is answered, with who answered, why, and how it went @looks', async ({ page }) => {
  await logIn(page)
  await go(page, 'Playground')
  await expect(page.getByText('Ask something', { exact: true })).toBeVisible()
  await wellMade(page)
  await cold(page)
  await wellMade(page)
  await page.getByRole('button', { name: 'Parameters' }).click()
  await question(page).fill(unique('Tell me a story.'))
  await page.keyboard.press('Enter')
  const answer = page.getByRole('region', { name: /^Answer of local\/tiny/ })
  await expect(answer.getByText('It is the first target of this name.')).toBeVisible()
  await expect(answer.getByText('Tokens in, out')).toBeVisible()
  await answer.getByRole('button', { name: 'How it went' }).click()
  const way = answer.getByRole('list', { name: 'How the call went' })
  await expect(way.getByText(/^local\/tiny answered/)).toBeVisible()
  await expect(way.getByText('Answer written')).toBeVisible()
  await wellMade(page)

  // It is still there after another page, and after the page is loaded anew.
  await go(page, 'Health')
  await go(page, 'Playground')
  await expect(answer).toBeVisible()
  await page.reload()
  await expect(answer).toBeVisible()
  await answer.getByRole('link', { name: 'The call' }).click()
  await expect(page.getByRole('dialog').getByRole('list', { name: 'How the call went' })).toBeVisible()
})

test('two targets answer side by side, and one of them is chosen by hand', async ({ page }) => {
  await logIn(page)
  await go(page, 'Playground')
  await expect(page.getByRole('switch', { name: 'Two side by side' })).toBeEnabled() // once it is known whom one can ask
  await page.getByRole('switch', { name: 'Two side by side' }).check({ force: true })
  await choose(page, 'Model 2', /^local\/tiny$/)
  await cold(page)
  await question(page).fill(unique('Tell me a story.'))
  await question(page).press('Enter')
  await expect(page.getByText('It is the first target of this name.')).toBeVisible()
  await expect(page.getByText('You chose this target.')).toBeVisible()
  await wellMade(page)
})

test('an answer is stopped with Escape, and the model with it', async ({ page }) => {
  await logIn(page)
  await go(page, 'Playground')
  await choose(page, 'Model', /^local\/slow$/)
  await question(page).fill('Go on for ever.')
  await question(page).press('Enter')
  const answer = page.getByRole('region', { name: /^Answer of local\/slow/ })
  await expect(page.getByRole('button', { name: 'Stop' })).toBeVisible()
  await page.keyboard.press('Escape')
  await expect(answer.getByText('stopped')).toBeVisible()
  await expect(page.getByRole('button', { name: 'Send' })).toBeVisible()
  await answer.getByRole('link', { name: 'The call' }).click()
  await expect(page.getByRole('dialog').getByText('499, caller_left')).toBeVisible()
})

test('a tool that the model wants called is shown', async ({ page }) => {
  await logIn(page)
  await go(page, 'Playground')
  await cold(page)
  await page
    .getByRole('textbox', { name: 'Tools' })
    .fill(
      '[{"type":"function","function":{"name":"get_weather","description":"w","parameters":{"type":"object","properties":{"location":{"type":"string"}}}}}]',
    )
  await question(page).fill('How is the weather in Paris?')
  await question(page).press('Enter')
  await expect(page.getByText('Wants to call get_weather')).toBeVisible()
  await expect(page.getByText('"location": "Paris"')).toBeVisible()
})

test('a call of an app is asked again, and opened in the playground', async ({ page }) => {
  const id = await call('chat', 77)
  await logIn(page)
  await page.goto(`${url}/ui/calls?call=${id}`)
  const drawer = page.getByRole('dialog')
  await expect(drawer.getByRole('list', { name: 'How the call went' })).toBeVisible()
  await drawer.getByRole('button', { name: 'Ask the same again' }).click()
  await expect(drawer.getByText(/Status 200, by local\/tiny/)).toBeVisible()
  await wellMade(page, '[role=dialog]')
  await drawer.getByRole('link', { name: 'Open in the playground' }).click()
  await expect(question(page)).toHaveValue('Question 77')
})

test('calls are found by what stands in them', async ({ page }) => {
  const user = `eva-${test.info().workerIndex}-${Date.now()}`
  await call('chat', 1, user)
  await logIn(page)
  await go(page, 'Calls')
  await page.getByRole('textbox', { name: 'Search' }).fill(`${user} tiny`)
  await expect(page.getByText('1 call', { exact: true })).toBeVisible()
  await page.getByRole('textbox', { name: 'Search' }).fill(`${user} nobody`)
  await expect(page.getByText('No call has that in it')).toBeVisible()
})

test('a hundred thousand calls are walked through without a long stop', async ({ page }) => {
  await logIn(page)
  const began = Date.now()
  const calls = Array.from({ length: 100_000 }, (_, i) => ({
    seq: i,
    kind: 'call',
    time: new Date(began - 86_400_000 + i * 100).toISOString(),
    request_id: `many_${i}`,
    model_asked: 'chat',
    status: 200,
    duration_ns: 5e6,
    tokens: { input: 1, output: 1 },
    cost_nano_usd: 0,
    baseline_nano_usd: 0,
  }))
  await page.route('**/control/v1/audit/entries?*', (route) => {
    const query = new URL(route.request().url()).searchParams
    return route.fulfill({ json: { entries: query.has('before') ? [] : query.get('app') === 'notes' ? calls.slice(-1_000) : calls } })
  })
  // A wheel and jumps, frame by frame, then calls that end while one is at the top, then a search, letter by letter: the usual
  // frame and the longest tasks, in milliseconds. The best of some: what else this machine does at the moment says nothing of the
  // list, and what the list itself costs it costs each time.
  const best = async (measure: () => Promise<number>) => {
    let least = Infinity
    for (let i = 0; i < 15 && least > 0; i++) least = Math.min(least, await measure())
    return least
  }
  const walk = async (address: string) => {
    await page.goto(url + address)
    await expect(page.getByRole('row').nth(5)).toBeVisible()
    const walks: Awaited<ReturnType<typeof once>>[] = []
    const longest = await best(async () => {
      const w = await once()
      walks.push(w)
      return w.longest
    })
    return {
      rows: Math.max(...walks.map((w) => w.rows)),
      usual: Math.min(...walks.map((w) => w.usual)),
      longest,
      news: await best(arriving),
      search: await best(searching),
    }
  }
  const longestTask = async (work: () => Promise<void>) => {
    await page.evaluate(() => {
      const long: number[] = [0]
      const watch = new PerformanceObserver((list) => long.push(...list.getEntries().map((e) => e.duration)))
      watch.observe({ type: 'longtask' })
      Object.assign(window, { longest: () => Math.max(...long, ...watch.takeRecords().map((e) => e.duration)) })
    })
    await work()
    return page.evaluate(() => (window as unknown as { longest: () => number }).longest())
  }
  const list = page.getByRole('group', { name: 'Calls, newest first' })
  const arriving = async () => {
    await list.evaluate((element) => {
      element.scrollTop = 0
    })
    return longestTask(async () => {
      for (let i = 0; i < 3; i++) {
        const user = `news-${Date.now()}-${i}`
        await call('chat', i, user)
        await expect(page.getByRole('row').filter({ hasText: user })).toBeVisible()
      }
    })
  }
  const searching = async () => {
    const box = page.getByRole('textbox', { name: 'Search' })
    await expect(box).toHaveValue('')
    const taken = await longestTask(async () => {
      await box.pressSequentially('many_99', { delay: 30 })
      await expect(page.getByRole('row').filter({ hasText: 'news-' })).toHaveCount(0)
    })
    await box.fill('')
    await expect(page.getByRole('row').filter({ hasText: 'news-' }).first()).toBeVisible()
    return taken
  }
  const once = () =>
    list.evaluate(async (element) => {
      element.scrollTop = 0
      const long: number[] = []
      const watch = new PerformanceObserver((list) => long.push(...list.getEntries().map((e) => e.duration)))
      watch.observe({ type: 'longtask' })
      const frame = () => new Promise<number>(requestAnimationFrame)
      const frames: number[] = []
      let last = await frame()
      for (let i = 0; i < 120; i++) {
        element.scrollTop += i % 2 ? element.scrollHeight / 80 : 60
        const now = await frame()
        frames.push(now - last)
        last = now
      }
      watch.disconnect()
      frames.sort((a, b) => a - b)
      return { rows: element.querySelectorAll('[data-index]').length, usual: frames[60] ?? 0, longest: Math.max(0, ...long) }
    })
  const few = await walk('/ui/calls?app=notes')
  const many = await walk('/ui/calls')
  console.log('1,000 calls:', few, '100,000 calls:', many)
  expect(many.rows).toBeLessThan(80)
  // Against a short list at the same time.
  expect(many.usual).toBeLessThan(2 * few.usual + 20)
  for (const what of ['longest', 'news', 'search'] as const) expect(many[what]).toBeLessThan(3 * few[what] + 200)
})
