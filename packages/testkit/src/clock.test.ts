import { expect, test } from 'vitest'
import { fakeClock } from './clock.ts'

test('runs what falls due, in order, each at its own time', () => {
  const clock = fakeClock()
  const events: string[] = []
  const note = (name: string) => () => void events.push(`${name}@${clock.now()}`)
  clock.after(30, note('late'))
  clock.after(10, note('early'))
  const stop = clock.every(20, note('tick'))
  clock.advance(9)
  expect(events).toEqual([])
  clock.advance(41)
  expect(events).toEqual(['early@10', 'tick@20', 'late@30', 'tick@40'])
  expect(clock.pending).toBe(1)
  stop()
  stop()
  clock.advance(1_000)
  expect(events).toHaveLength(4)
  expect([clock.now(), clock.pending]).toEqual([1_050, 0])
})

test('a timer that is set by a timer runs within the same advance', () => {
  const clock = fakeClock()
  const times: number[] = []
  clock.after(10, () => clock.after(10, () => times.push(clock.now())))
  clock.advance(25)
  expect(times).toEqual([20])
})

test('a disposed timer does not run', () => {
  const clock = fakeClock()
  const other = clock.after(10, () => expect.unreachable())
  clock.after(5, other)
  clock.advance(20)
  expect(clock.pending).toBe(0)
})
