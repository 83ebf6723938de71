import { expect, it } from 'vitest'
import { Flight } from './flight.ts'

/** Those who wait say so when they are through. */
function line(): { readonly flight: Flight<void>; readonly through: string[]; join(name: string): AbortController } {
  const flight = new Flight<void>()
  const through: string[] = []
  const join = (name: string): AbortController => {
    const leaver = new AbortController()
    flight.join(leaver.signal).then(
      () => through.push(name),
      () => through.push(`${name} left`),
    )
    return leaver
  }
  return { flight, through, join }
}

const settle = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))

it('lets through one at a time, in their order, without those who have left', async () => {
  const { flight, through, join } = line()
  const [, b] = ['a', 'b', 'c', 'd'].map(join)
  expect(flight.resolveNext()).toBe(true)
  b!.abort()
  while (flight.resolveNext()) await settle()
  expect(through).toEqual(['a', 'b left', 'c', 'd'])
  expect(flight.size).toBe(0)
})

it('lets through who comes while others pass, and who comes when the line had ended', async () => {
  const { flight, through, join } = line()
  join('a')
  expect(flight.resolveNext()).toBe(true)
  join('b')
  expect(flight.resolveNext()).toBe(true)
  expect(flight.resolveNext()).toBe(false)
  join('c').abort()
  join('d')
  expect(flight.resolveNext()).toBe(true)
  join('e')
  expect(flight.resolveNext()).toBe(true)
  await settle()
  expect(through.filter((name) => !name.includes('left'))).toEqual(['a', 'b', 'd', 'e'])
})

it('begins a new line behind one that all have left together', async () => {
  const { flight, through, join } = line()
  join('a')
  join('b')
  flight.resolveNext()
  flight.resolve()
  join('c')
  expect(flight.resolveNext()).toBe(true)
  await settle()
  expect(through).toEqual(['a', 'b', 'c'])
})
