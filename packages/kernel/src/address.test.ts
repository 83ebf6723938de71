import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { formatAddress, parseAddress, parseEndpoint } from './address.ts'
import { GatewayError } from './errors.ts'

const refusal = (text: string): unknown =>
  expect.objectContaining({ code: 'PROXY_CONFIG_INVALID', message: expect.stringContaining(text) })

describe('parseAddress', () => {
  it.each([
    ['127.0.0.1:8080', '127.0.0.1', 8080],
    ['[::1]:8080', '::1', 8080],
    ['localhost:0', 'localhost', 0],
    [':8080', '0.0.0.0', 8080],
    ['8080', '0.0.0.0', 8080],
    [8080, '0.0.0.0', 8080],
    [0, '0.0.0.0', 0],
  ])('reads %j', (value, host, port) => expect(parseAddress(value)).toEqual({ host, port }))

  it('takes a record', () => {
    expect(parseAddress({ host: '::', port: 1 })).toEqual({ host: '::', port: 1 })
  })

  it.each([
    '',
    ':',
    '127.0.0.1',
    '::1',
    '127.0.0.1:',
    '127.0.0.1:65536',
    '127.0.0.1:080',
    'example.com:80',
    '-1',
    '1.5',
  ])('refuses %j and quotes it', (text) => expect(() => parseAddress(text)).toThrowError(refusal(JSON.stringify(text))))

  it.each([-1, 65_536, 1.5, Number.NaN])('refuses the number %d', (port) => {
    expect(() => parseAddress(port)).toThrowError(refusal(String(port)))
    expect(() => parseAddress({ host: '::', port })).toThrowError(refusal(String(port)))
  })
})

describe('parseEndpoint', () => {
  it.each([
    ['db', 'db', undefined],
    ['DB.Example.com:5432', 'db.example.com', 5432],
    ['my_service:80', 'my_service', 80],
    ['example.com.:80', 'example.com.', 80],
    ['3com.example:80', '3com.example', 80],
    ['10.0.0.1', '10.0.0.1', undefined],
    ['10.0.0.1:1', '10.0.0.1', 1],
    ['2001:db8::1', '2001:db8::1', undefined],
    ['[2001:DB8::1]', '2001:db8::1', undefined],
    ['[2001:db8::1]:65535', '2001:db8::1', 65_535],
  ])('reads %s', (text, host, port) => expect(parseEndpoint(text)).toEqual({ host, port }))

  it('takes a record', () => {
    expect(parseEndpoint({ host: 'db', port: 5432 })).toEqual({ host: 'db', port: 5432 })
    expect(parseEndpoint({ host: '::1' })).toEqual({ host: '::1', port: undefined })
  })

  it('keeps what a record says of it beside the address, and nothing else', () => {
    const said = { host: 'DB', port: 1, weight: 0, draining: true, secret: 'x' }
    expect(parseEndpoint(said)).toEqual({ host: 'db', port: 1, weight: 0, draining: true })
    expect(Object.keys(parseEndpoint({ host: 'db' }))).toEqual(['host', 'port'])
  })

  it.each([-1, Number.NaN, Number.POSITIVE_INFINITY])('refuses the weight %d', (weight) => {
    expect(() => parseEndpoint({ host: 'db', weight })).toThrowError(refusal('weight'))
  })

  it.each([
    '',
    ':5432',
    'db:',
    'db:0',
    'db:65536',
    'db:5432x',
    'db:05432',
    'db: 5432',
    'a b',
    'a..b',
    '.a',
    '-a.com',
    'a-',
    'user@db',
    'http://db',
    'db/path',
    'dé',
    'a'.repeat(64),
    `${'a.'.repeat(127)}aa`,
    '127.1',
    '127.0.0.1.',
    '0x7f.1',
    '0x7f000001',
    '2130706433:80',
    'db.017',
    '1.2.3.256',
    '[1.2.3.4]:80',
    '[db]:80',
    '[::1',
    '[::1]80',
    '[::1]:',
    '[fe80::1%eth0]:80',
    '::1:2:3:4:5:6:7:8:9',
  ])('refuses %j and quotes it', (text) => {
    expect(() => parseEndpoint(text)).toThrowError(refusal(JSON.stringify(text).slice(0, 50)))
  })

  it('cuts a long offending text', () => {
    expect(() => parseEndpoint('!'.repeat(10_000))).toThrowError(/^.{0,400}$/)
  })

  it('reads back what formatAddress writes', () => {
    const host = fc.oneof(fc.ipV4(), fc.ipV6(), fc.domain())
    fc.assert(
      fc.property(host, fc.integer({ min: 1, max: 65_535 }), (name, port) => {
        const endpoint = { host: name.toLowerCase(), port }
        expect(parseEndpoint(formatAddress(endpoint))).toEqual(endpoint)
      }),
    )
  })

  it('answers any text with an endpoint or a coded error', () => {
    const text = fc.string({ unit: fc.constantFrom(...'a1.:-[]%/_ \0\n', 'é', '😀'), maxLength: 80 })
    fc.assert(
      fc.property(text, (candidate) => {
        try {
          parseEndpoint(candidate)
        } catch (error) {
          if (!GatewayError.is(error)) throw error
        }
      }),
      { numRuns: 2000 },
    )
  })
})

describe('formatAddress', () => {
  it('puts brackets around IPv6 only where a port follows', () => {
    expect(formatAddress({ host: '::1', port: 80 })).toBe('[::1]:80')
    expect(formatAddress({ host: '::1' })).toBe('::1')
    expect(formatAddress({ host: 'db', port: 80 })).toBe('db:80')
  })
})
