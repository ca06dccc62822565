import { describe, expect, test } from 'vitest'
import { scrolledTo, seen } from './seen'

describe('seen', () => {
  test('all that is on the screen, wherever one is', () => {
    for (let scrolled = 0; scrolled <= 40 * 1_000 - 600; scrolled += 7) {
      const { from, to } = seen(scrolled, 600, 40, 1_000)
      expect(from).toBeLessThanOrEqual(Math.floor(scrolled / 40))
      expect(to).toBeGreaterThanOrEqual(Math.min(1_000, Math.ceil((scrolled + 600) / 40)))
      expect(to - from).toBeLessThan(60)
    }
  })
  test('no more than there is', () => {
    expect(seen(0, 600, 40, 0)).toEqual({ from: 0, to: 0 })
    expect(seen(0, 600, 40, 3)).toEqual({ from: 0, to: 3 })
    expect(seen(5_000, 600, 40, 3)).toEqual({ from: 3, to: 3 }) // the list got short, and the browser has not scrolled back yet
    expect(seen(-50, 600, 40, 100).from).toBe(0) // pulled past the top
  })
  test('a step of a scroll seldom changes it', () => {
    const places = Array.from({ length: 320 }, (_, y) => JSON.stringify(seen(4_000 + y, 600, 40, 1_000)))
    expect(new Set(places).size).toBeLessThanOrEqual(3)
  })
})

describe('scrolledTo', () => {
  test('a row that is seen moves nothing', () => expect(scrolledTo(5, 100, 600, 40, 36)).toBe(100))
  test('one above comes under the head', () => expect(scrolledTo(2, 1_000, 600, 40, 36)).toBe(80))
  test('one below comes to the end', () => expect(scrolledTo(99, 0, 600, 40, 36)).toBe(36 + 4_000 - 600))
  test('the first row is the top', () => expect(scrolledTo(0, 1_000, 600, 40, 36)).toBe(0))
})
