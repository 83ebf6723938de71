import { describe, expect, it } from 'vitest'
import { Barrier } from './barrier.ts'

describe('Barrier', () => {
  it('opens for all when the last one has arrived or left', async () => {
    const barrier = new Barrier([1, 2, 3])
    const passed: number[] = []
    const first = barrier.arrive(1).then(() => passed.push(1))
    barrier.leave(2)
    await new Promise((resolve) => setImmediate(resolve))
    expect(passed).toEqual([])
    await barrier.arrive(3)
    await first
    expect(passed).toEqual([1])
  })

  it('is open when nobody is expected', async () => {
    await new Barrier([]).arrive(1)
  })
})
