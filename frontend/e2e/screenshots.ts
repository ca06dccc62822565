import { expect, go, logIn, test, url } from './page'

const folder = `${import.meta.dirname}/../../docs/images`

/** What a small team's apps ask on a morning. */
async function traffic() {
  const asked = [
    ['mail', 'ann', 'Summarise this thread in three sentences.'],
    ['editor', 'bob', 'Name this function.'],
    ['notes', 'eva', 'What did we decide about the release?'],
    ['search', 'ann', 'Which of these answers the question?'],
    ['editor', 'bob', 'Explain this error.'],
    ['mail', 'eva', 'Write a short reply that says yes.'],
  ] as const
  for (let i = 0; i < 90; i++) {
    const [app, user, question] = asked[i % asked.length] ?? asked[0]
    const r = await fetch(`${url}/v1/chat/completions`, {
      method: 'POST',
      headers: { 'Content-Type': 'application/json', 'Corral-User': user, 'Corral-App': app },
      body: JSON.stringify({
        model: i % 5 === 3 ? 'tiny-v2' : 'chat',
        temperature: 0,
        stream: i % 2 === 0,
        messages: [{ role: 'user', content: `${question} (${i % 30})` }],
      }),
    })
    await r.text()
  }
}

test('pictures', async ({ page }, info) => {
  if (info.project.name === 'light') await traffic()
  await logIn(page)
  const picture = async (name: string) => {
    await expect(page.getByRole('status', { name: 'Loading' })).toHaveCount(0)
    await page.screenshot({ path: `${folder}/${name}-${info.project.name}.png` })
  }
  await expect(page.getByRole('region', { name: 'Service levels' }).getByRole('table')).toBeVisible()
  await expect(page.getByText(/^[1-9]\d* (in 15 minutes|since Corral’s start)/)).toBeVisible() // the feed has told what was before
  await picture('overview')

  await go(page, 'Playground')
  await page.getByRole('textbox', { name: 'Question' }).fill('Tell me a story.')
  await page.getByRole('button', { name: 'Send' }).click()
  await expect(page.getByText('Tokens in, out')).toBeVisible()
  await page.getByRole('button', { name: 'How it went' }).click()
  await picture('playground')

  await go(page, 'Routing')
  await expect(page.getByText('Names that apps ask for')).toBeVisible()
  await picture('routing')
})
