import { expect, test } from 'vitest'
import type { SmtpOptions } from './options.ts'
import { smtp } from './smtp.ts'

test.each<[SmtpOptions, RegExp]>([
  [{ keys: [] }, /keys: name at least one/],
  [{ keys: ['helo', 'helo'] }, /named twice/],
  [{ keys: ['rcpt' as 'helo'] }, /'rcpt' is none of/],
  [{ hostname: 'a b' }, /hostname/],
  [{ hostname: 'a\r\n250 x' }, /hostname/],
  [{ hostname: '' }, /hostname/],
  [{ extensions: ['SIZE 1\r\n'] }, /extensions/],
  [{ extensions: [''] }, /extensions/],
  [{ readinessTimeoutMs: 0 }, /readinessTimeoutMs/],
  [{ idleTimeoutMs: Number.NaN }, /idleTimeoutMs/],
  [{ maxErrors: 0 }, /maxErrors/],
])('%j makes no sense', (options, message) => {
  expect(() => smtp(options)).toThrow(message)
  expect(() => smtp(options)).toThrow(expect.objectContaining({ code: 'PROXY_CONFIG_INVALID' }))
})

test('LMTP has a name and a port of its own', () => {
  expect(smtp()).toMatchObject({ name: 'smtp', defaultPort: 25, speaksFirst: 'server' })
  expect(smtp({ lmtp: true })).toMatchObject({ name: 'lmtp', defaultPort: 24 })
})
