import { expect, it } from 'vitest'
import { FakeClock } from '../__fixtures__/clock.ts'
import { RateLimit } from './rate-limit.ts'

it('forgets the longest unused keys beyond a bound', () => {
  const rate = new RateLimit(1)
  const clock = new FakeClock()
  rate.take('first', clock)
  expect(() => rate.take('first', clock)).toThrowError(expect.objectContaining({ code: 'PROXY_LIMIT_RATE' }))
  for (let i = 0; i < 65_536; i++) rate.take(`key${i}`, clock)
  expect(() => rate.take('first', clock)).not.toThrowError()
  expect(() => rate.take('key65535', clock)).toThrowError()
})
