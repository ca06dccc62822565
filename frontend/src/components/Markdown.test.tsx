import { MantineProvider } from '@mantine/core'
import { render } from '@testing-library/react'
import { expect, test } from 'vitest'
import { Markdown, safeLink } from './Markdown'

function shown(text: string) {
  const { container } = render(
    <MantineProvider env="test">
      <main>
        <Markdown text={text} />
      </main>
    </MantineProvider>,
  )
  return container.querySelector('main') as HTMLElement
}

test('text, lists, tables and code are shown as what they are', () => {
  const page = shown(
    '# Title\n\nA *soft* and **hard** `word`.\n\n1. one\n2. two\n\n| a | b |\n|---|---|\n| 1 | 2 |\n\n```go\nfmt.Println("<b>")\n```\n',
  )
  expect(page.querySelector('em')?.textContent).toBe('soft')
  expect(page.querySelector('strong')?.textContent).toBe('hard')
  expect(page.querySelectorAll('ol li')).toHaveLength(2)
  expect(page.querySelectorAll('td')).toHaveLength(2)
  expect(page.querySelector('pre code')?.textContent).toBe('fmt.Println("<b>")')
  expect(page.querySelector('button')?.textContent).toBe('Copy')
  expect(page.textContent).toContain('go')
})

test.each([
  '<script>window.hit = 1</script>',
  '<img src=x onerror="window.hit=1">',
  'text <b onclick="window.hit=1">bold</b>',
  '<iframe src="https://evil.example"></iframe>',
  '![x](https://evil.example/track.png)',
  '[click](javascript:window.hit=1)',
  '[click](JaVaScRiPt&colon;window.hit=1)',
  '[click](data:text/html,<script>window.hit=1</script>)',
  '<a href="javascript:window.hit=1">x</a>',
  '<style>body { display: none }</style>',
  '<svg><script>window.hit=1</script></svg>',
  '| <img src=x onerror=window.hit=1> |\n|---|\n| <script>window.hit=1</script> |',
  '```html\n<script>window.hit = 1</script>\n```',
  '# <script>window.hit=1</script>',
])('a model cannot make the page run or load anything: %s', (text) => {
  const page = shown(text)
  expect(page.querySelectorAll('script, img, iframe, svg, style, object, embed, form, input, b')).toHaveLength(0)
  for (const e of page.querySelectorAll('*')) {
    for (const a of e.getAttributeNames()) expect(a.startsWith('on')).toBe(false)
    expect(e.getAttribute('href') ?? 'https:').toMatch(/^(https?|mailto):/)
  }
  expect('hit' in window).toBe(false)
})

test('links lead to the web only, and tell it nothing', () => {
  expect(safeLink('https://example.org/a?b=1')).toBe('https://example.org/a?b=1')
  for (const bad of [
    'javascript:alert(1)',
    ' javascript:alert(1)',
    'java\nscript:alert(1)',
    'data:text/html,x',
    'file:///etc/passwd',
    '/control/v1/session',
    'vbscript:x',
  ]) {
    expect(safeLink(bad)).toBeUndefined()
  }
  const link = shown('[here](https://example.org)').querySelector('a')
  expect(link?.getAttribute('rel')).toContain('noopener')
  expect(link?.getAttribute('rel')).toContain('noreferrer')
})

test('entities are the signs they stand for', () => {
  expect(shown('a &lt; b &amp;&amp; c').textContent).toBe('a < b && c')
})

test('half of a text that is still being written is shown', () => {
  expect(shown('Look:\n\n```js\nconst a').querySelector('pre')?.textContent).toBe('const a')
  expect(shown('**bo').textContent).toBe('**bo')
})
