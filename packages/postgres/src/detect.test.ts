import { readdirSync, readFileSync } from 'node:fs'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { detectPostgres } from './detect.ts'

const folder = new URL('__fixtures__/', import.meta.url)
const clients = readdirSync(folder).filter((name) => name.endsWith('.client.bin') && !name.includes('direct-tls'))

test.each(clients)('%s is ours once eight bytes are there, and never before', (name) => {
  const bytes = readFileSync(new URL(name, folder))
  for (let length = 0; length < bytes.length; length++) {
    expect(detectPostgres(bytes.subarray(0, length))).toBe(length < 8 ? undefined : true)
  }
})

test.each([
  ['HTTP', Buffer.from('GET / HTTP/1.1')],
  ['TLS', Buffer.of(0x16, 3, 1, 0, 0, 1, 0, 0)],
  ['MongoDB', Buffer.from('3a00000001000000000000d4', 'hex')],
  ['a length over the cap', Buffer.of(0, 0, 0x7f, 0, 0, 3, 0, 0)],
  ['a code of nobody', Buffer.of(0, 0, 0, 8, 0, 9, 0, 0)],
])('%s is not', (_, bytes) => {
  expect(detectPostgres(bytes)).toBe(false)
})

test('never throws', () => {
  fc.assert(fc.property(fc.uint8Array({ maxLength: 20 }), (bytes) => void detectPostgres(Buffer.from(bytes))))
})
