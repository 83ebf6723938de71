import { expect, it } from 'vitest'
import { trendOf } from './verdict.ts'

const trend = (values: number[]) => trendOf({ process: 'worker', name: 'fds', most: 5, values })

it('leaves out the time of warming up', () => {
  expect(trend([0, 0, 0, 100, 101, 99, 100, 100, 102, 100, 101, 100])).toMatchObject({
    early: 100,
    late: 100,
    flat: true,
  })
})

it('sees growth', () => {
  expect(trend(Array.from({ length: 40 }, (_, at) => at)).flat).toBe(false)
})

it('does not mind a peak', () => {
  expect(trend([10, 10, 10, 10, 10, 90, 10, 10, 10, 10, 80, 10]).flat).toBe(true)
})
