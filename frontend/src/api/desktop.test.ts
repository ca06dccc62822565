import { expect, test } from 'vitest'
import { Desktop } from './desktop'

const around = (userAgent: string, more: object = {}) => ({ navigator: { userAgent }, ...more }) as unknown as Window

test('in a browser nothing is said, also where a page of it has such a door', () => {
  const said: string[] = []
  const door = { webkit: { messageHandlers: { external: { postMessage: (m: string) => said.push(m) } } } }
  const browser = new Desktop(around('Mozilla/5.0 Safari', door))
  browser.tell('ready', 'Overview')
  expect(browser.there).toBe(false)
  expect(said).toEqual([])
})

test.each([
  ['WebKit', (f: (m: string) => void) => ({ webkit: { messageHandlers: { external: { postMessage: f } } } })],
  ['WebView2', (f: (m: string) => void) => ({ chrome: { webview: { postMessage: f } } })],
])('the window hears an event of Wails: %s', (_, door) => {
  const said: string[] = []
  const window = new Desktop(
    around(
      'Mozilla/5.0 wails.io',
      door((m) => said.push(m)),
    ),
  )
  window.tell('feed', 'live')
  window.tell('login')
  expect(window.there).toBe(true)
  expect(said).toEqual(['EE{"name":"corral:feed","data":["live"]}', 'EE{"name":"corral:login","data":[""]}'])
})
