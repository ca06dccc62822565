import { expect, test } from 'vitest'
import { moved, moves } from './order'

const [a, b, c] = ['a', 'b', 'c'].map((model) => ({ provider: 'p', model })) as [never, never, never]

test('an entry goes to another place, and not out of the list', () => {
  expect(moved([1, 2, 3], 2, 0)).toEqual([3, 1, 2])
  expect(moved([1, 2, 3], 0, 9)).toEqual([2, 3, 1])
  expect(moved([1, 2, 3], 7, 0)).toEqual([1, 2, 3])
})

test('an order is made by moves of single lines', () => {
  expect(moves('chat', [a, b, c], [c, a, b])).toEqual([{ op: 'move', path: 'models["chat"].targets[2]', to: 0 }])
  expect(moves('chat', [a, b, c], [b, c, a])).toHaveLength(2)
  expect(moves('chat', [a, b, c], [a, b, c])).toEqual([])
  expect(moves('chat', [a, a, b], [a, b, a])).toEqual([{ op: 'move', path: 'models["chat"].targets[2]', to: 1 }])
})
