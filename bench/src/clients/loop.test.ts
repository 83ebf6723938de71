import { expect, test } from 'vitest'
import { closedLoop } from './loop.ts'

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))

test('every lane does one operation after the other, and all are counted', async () => {
  const underWay = [0, 0, 0]
  let done = 0
  const report = await closedLoop(
    async (lane) => {
      underWay[lane]! += 1
      expect(underWay[lane]).toBe(1)
      await turn()
      underWay[lane]! -= 1
      done += 1
    },
    { concurrency: 3, seconds: 0.05 },
  )
  expect(report.count).toBe(done)
  expect(report.seconds).toBeGreaterThanOrEqual(0.05)
  expect(report.p50Us).toBeGreaterThan(0)
  expect(report.p99Us).toBeGreaterThanOrEqual(report.p50Us)
})

test('a wrong answer ends it all', async () => {
  let left = 5
  const loop = closedLoop(
    async () => {
      await turn()
      if (left-- === 0) throw new Error('a wrong row')
    },
    { concurrency: 2, seconds: 60 },
  )
  await expect(loop).rejects.toThrow('a wrong row')
})
