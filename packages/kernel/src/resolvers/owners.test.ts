import { expect, it } from 'vitest'
import { Owners } from './owners.ts'

it('forgets the oldest answers beyond its bound, but nobody who holds sessions', () => {
  const owners = new Owners<string>()
  owners.set('held', 'a')
  owners.set('idle', 'a')
  expect(owners.hold('held')).toBe('a')
  for (let i = 0; i < 65_536; i++) owners.set(`key${i}`, 'b')
  expect(owners.get('idle')).toBeUndefined()
  expect(owners.get('held')).toBe('a')
  expect(owners.release('held')).toBe('a')
  expect(owners.get('held')).toBeUndefined()
  expect(owners.release('held')).toBeUndefined()
})
