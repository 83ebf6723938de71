import { afterEach, beforeEach, expect, it, vi } from 'vitest'
import { DialWatch } from './dial-watch.ts'

beforeEach(() => void vi.useFakeTimers())
afterEach(() => void vi.useRealTimers())

it('tells a dial once that it lingers, and none that is over', () => {
  const watch = new DialWatch()
  const told: string[] = []
  const dial = (name: string, over: boolean) => ({ over, linger: (ms: number) => told.push(`${name} ${ms}`) })
  watch.watch(dial('over', true))
  watch.watch(dial('slow', false))
  vi.advanceTimersByTime(9)
  expect(told).toEqual([])
  vi.advanceTimersByTime(1)
  expect(told).toEqual(['slow 10'])
  watch.watch(dial('later', false))
  vi.advanceTimersByTime(100)
  expect(told).toEqual(['slow 10', 'later 10'])
  expect(vi.getTimerCount()).toBe(0)
})
