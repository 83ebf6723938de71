import { backend } from '@proxy/kernel'
import { expect, test } from 'vitest'
import { mirrorTls, Quirks } from './backend-login.ts'

test('a backend of which nothing is said is asked for TLS when the client uses it', () => {
  const silent = backend({ endpoint: 'db.internal:3306', metadata: { plan: 'free' }, timeoutMs: 700 })
  expect(mirrorTls(silent, false)).toBe(silent)
  const mirror = mirrorTls(silent, true)
  expect(mirror).toMatchObject({ ...silent, tls: { mode: 'negotiated', insecure: true } })
  expect(mirrorTls(silent, true)).toBe(mirror)
})

test.each(['off', 'implicit', 'negotiated'] as const)('what the resolution says stands: %s', (tls) => {
  const told = backend({ endpoint: 'db.internal:3306', tls })
  for (const client of [true, false]) expect(mirrorTls(told, client)).toBe(told)
})

test('so many quirks are remembered, and no more', () => {
  const quirks = new Quirks()
  for (let i = 0; i < 5_000; i++) quirks.add(String(i))
  expect([quirks.has('4999'), quirks.has('1')]).toEqual([true, false])
})
