import { expect, test } from 'vitest'
import { smallestShare } from './share.ts'

test('the smallest part of a share', () => {
  expect(smallestShare([3, 2, 2], [3, 102, 102], 2)).toBe(1)
  expect(smallestShare([3, 2, 2], [3, 52, 152], 2)).toBe(0.5)
})

test('a worker that has none is told, the primary is not one', () => {
  expect(smallestShare([3, 2, 2], [3, 202, 2], 2)).toBe(0)
  expect(smallestShare([3], [203], 1)).toBe(1)
})
