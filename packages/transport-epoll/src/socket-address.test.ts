import { describe, expect, test } from 'vitest'
import { AF_INET, AF_INET6 } from './constants.ts'
import { ADDRESS_BYTES, familyOf, readAddress, writeAddress } from './socket-address.ts'

describe('socket addresses', () => {
  test.each([
    ['127.0.0.1', 16],
    ['255.1.2.3', 16],
    ['::1', 28],
    ['2001:db8::7', 28],
  ])('%s is read as it was written', (host, length) => {
    const bytes = Buffer.alloc(ADDRESS_BYTES, 0xff)
    expect(writeAddress(bytes, { host, port: 65_534 })).toBe(length)
    expect(readAddress(bytes)).toEqual({ host, port: 65_534 })
  })

  test('have the layout of the system', () => {
    const bytes = Buffer.alloc(ADDRESS_BYTES)
    writeAddress(bytes, { host: '10.1.2.3', port: 0x1234 })
    expect(bytes.subarray(0, 16).toString('hex')).toBe('020012340a0102030000000000000000')
    writeAddress(bytes, { host: '::2', port: 0x1234 })
    expect(bytes.toString('hex')).toBe(`0a00123400000000${'00'.repeat(15)}02${'00'.repeat(4)}`)
  })

  test('a client of IPv4 at a socket of IPv6 is known by its IPv4 address', () => {
    const bytes = Buffer.alloc(ADDRESS_BYTES)
    writeAddress(bytes, { host: '::ffff:192.0.2.1', port: 1 })
    expect(readAddress(bytes)).toEqual({ host: '192.0.2.1', port: 1 })
  })

  test('only literals have a family', () => {
    expect(['1.2.3.4', '::', 'localhost', '1.2.3', ''].map(familyOf)).toEqual([
      AF_INET,
      AF_INET6,
      undefined,
      undefined,
      undefined,
    ])
    expect(() => writeAddress(Buffer.alloc(ADDRESS_BYTES), { host: 'localhost', port: 1 })).toThrow(TypeError)
  })
})
