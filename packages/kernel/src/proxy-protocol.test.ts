import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { Address } from './contracts.ts'
import { GatewayError } from './errors.ts'
import { parseIp, unmapped } from './ip.ts'
import { encodeProxyHeader, parseProxyHeader, proxyHeaderFramer } from './proxy-protocol.ts'

const client: Address = { host: '203.0.113.9', port: 51_234 }
const local: Address = { host: '10.0.0.1', port: 5432 }
const client6: Address = { host: '2001:db8::9', port: 51_234 }
const local6: Address = { host: 'fd00::1', port: 5432 }
const signature = '0d0a0d0a000d0a515549540a'

const line = (text: string): Buffer => Buffer.from(`${text}\r\n`, 'latin1')
const v2 = (rest: string): Buffer => Buffer.from(signature + rest, 'hex')
const refused = expect.objectContaining({ code: 'PROXY_PROXY_HEADER' })

describe('encodeProxyHeader', () => {
  it('writes version 1', () => {
    expect(encodeProxyHeader(1, client, local)).toEqual(line('PROXY TCP4 203.0.113.9 10.0.0.1 51234 5432'))
    expect(encodeProxyHeader(1, client6, local6)).toEqual(line('PROXY TCP6 2001:db8::9 fd00::1 51234 5432'))
  })

  it('writes version 2', () => {
    expect(encodeProxyHeader(2, client, local)).toEqual(v2('2111000ccb0071090a000001c8221538'))
    expect(encodeProxyHeader(2, client6, local6)).toEqual(
      v2('2121002420010db8000000000000000000000009fd000000000000000000000000000001c8221538'),
    )
  })

  it('writes IPv4 from a dual-stack socket as IPv4, and different families as IPv6', () => {
    const dual = { host: '::ffff:203.0.113.9', port: 51_234 }
    expect(encodeProxyHeader(2, dual, local)).toEqual(encodeProxyHeader(2, client, local))
    expect(encodeProxyHeader(1, client, local6)).toEqual(line('PROXY TCP6 ::ffff:203.0.113.9 fd00::1 51234 5432'))
  })

  it('says that an end is unknown', () => {
    expect(encodeProxyHeader(1, undefined, local)).toEqual(line('PROXY UNKNOWN'))
    expect(encodeProxyHeader(2, client, undefined)).toEqual(v2('20000000'))
    expect(encodeProxyHeader(1, { host: 'memory', port: 1 }, local)).toEqual(line('PROXY UNKNOWN'))
  })

  it('is read back', () => {
    const address = fc.record({ host: fc.oneof(fc.ipV4(), fc.ipV6()), port: fc.integer({ min: 0, max: 65_535 }) })
    fc.assert(
      fc.property(fc.constantFrom(1 as const, 2 as const), address, address, (version, from, to) => {
        const header = encodeProxyHeader(version, from, to)
        expect(proxyHeaderFramer(header)).toBe(header.length)
        const pair = parseProxyHeader(header)
        if (pair === 'local') throw new Error('addresses lost')
        expect(plain(pair.source)).toEqual(plain(from))
        expect(plain(pair.destination)).toEqual(plain(to))
      }),
    )
  })
})

function plain({ host, port }: Address): unknown {
  return { bytes: unmapped(parseIp(host) as Uint8Array).join(), port }
}

describe('proxyHeaderFramer', () => {
  const headers = [
    encodeProxyHeader(1, client, local),
    encodeProxyHeader(2, client6, local6),
    line('PROXY UNKNOWN ffff:f...f:ffff 1 2'),
    Buffer.concat([v2('2111000f7f0000017f000001000100020400'), Buffer.from([0])]),
  ]
  it.each(headers)('finds the end whatever the split (%#)', (header) => {
    const stream = Buffer.concat([header, Buffer.from('GET / HTTP/1.1\r\n')])
    for (let cut = 0; cut <= stream.length; cut++) {
      const length = proxyHeaderFramer(stream.subarray(0, cut))
      if (cut >= header.length) expect(length).toBe(header.length)
      else expect(length === 0 || length === header.length).toBe(true)
    }
  })

  it('takes the longest line of version 1 and nothing longer', () => {
    const filler = 'f'.repeat(107 - 'PROXY UNKNOWN \r\n'.length)
    expect(proxyHeaderFramer(line(`PROXY UNKNOWN ${filler}`))).toBe(107)
    expect(() => proxyHeaderFramer(line(`PROXY UNKNOWN ${filler}f`))).toThrowError(refused)
    expect(proxyHeaderFramer(Buffer.from(`PROXY UNKNOWN ${filler}`))).toBe(0)
  })

  it('refuses a body of version 2 over 4 KiB before it has arrived', () => {
    expect(proxyHeaderFramer(v2('21111000'))).toBe(16 + 4096)
    expect(() => proxyHeaderFramer(v2('21111001'))).toThrowError(refused)
  })

  it.each([
    ['HTTP', Buffer.from('G')],
    ['a lower-case prefix', Buffer.from('proxy ')],
    ['POST', Buffer.from('PO')],
    ['TLS', Buffer.from([0x16, 3, 1])],
    ['CR alone', Buffer.from('\r\r')],
    ['a broken signature', Buffer.from('0d0a0d0a000d0a515549540b', 'hex')],
    ['version 1 in binary', v2('11')],
    ['version 3', v2('31110000')],
  ])('refuses %s at once', (_, bytes) => expect(() => proxyHeaderFramer(bytes)).toThrowError(refused))
})

describe('parseProxyHeader', () => {
  it('skips what follows the addresses', () => {
    expect(parseProxyHeader(v2('211100107f0000017f0000010001000204000100'))).toEqual({
      source: { host: '127.0.0.1', port: 1 },
      destination: { host: '127.0.0.1', port: 2 },
    })
  })

  it.each([
    ['UNKNOWN', line('PROXY UNKNOWN')],
    ['UNKNOWN with addresses', line('PROXY UNKNOWN 1.2.3.4 1.2.3.4 1 2')],
    ['LOCAL', v2('20000000')],
    ['LOCAL with addresses', v2('2011000c7f0000017f00000100010002')],
    ['an unspecified family', v2('21000000')],
    ['datagrams', v2('2112000c7f0000017f00000100010002')],
    ['Unix sockets', v2(`213100d8${'00'.repeat(216)}`)],
  ])('is local for %s', (_, header) => expect(parseProxyHeader(header)).toBe('local'))

  it.each([
    'PROXY TCP4 1.2.3.4 1.2.3.4 1',
    'PROXY TCP4 1.2.3.4 1.2.3.4 1 2 3',
    'PROXY TCP4 1.2.3.4  1.2.3.4 1 2',
    'PROXY TCP4 1.2.3.4 1.2.3.4 1 65536',
    'PROXY TCP4 1.2.3.4 1.2.3.4 01 2',
    'PROXY TCP4 1.2.3.4 1.2.3.4 -1 2',
    'PROXY TCP4 1.2.3 1.2.3.4 1 2',
    'PROXY TCP4 01.2.3.4 1.2.3.4 1 2',
    'PROXY TCP4 ::1 ::1 1 2',
    'PROXY TCP6 1.2.3.4 1.2.3.4 1 2',
    'PROXY TCP5 1.2.3.4 1.2.3.4 1 2',
    'PROXY UDP4 1.2.3.4 1.2.3.4 1 2',
    'PROXY UNKNOWNS',
    'PROXY ',
  ])('refuses %j', (text) => expect(() => parseProxyHeader(line(text))).toThrowError(refused))

  it.each([
    ['an unknown command', '22110000'],
    ['an unknown family', '21410000'],
    ['an unknown transport', '21130000'],
    ['addresses cut short (v4)', '2111000b7f0000017f000001000100'],
    ['addresses cut short (v6)', '2121000c7f0000017f00000100010002'],
  ])('refuses %s', (_, hex) => expect(() => parseProxyHeader(v2(hex))).toThrowError(refused))

  it('answers any bytes with a pair, local or its own error', () => {
    const start = fc.constantFrom(
      Buffer.from('PROXY '),
      Buffer.from('PROXY TCP4 '),
      Buffer.from(signature, 'hex'),
      v2('21'),
    )
    fc.assert(
      fc.property(start, fc.uint8Array({ maxLength: 300 }), (prefix, rest) => {
        const bytes = Buffer.concat([prefix, rest])
        try {
          const length = proxyHeaderFramer(bytes)
          if (length > 0 && length <= bytes.length) parseProxyHeader(bytes.subarray(0, length))
        } catch (error) {
          expect(GatewayError.is(error) && error.code).toBe('PROXY_PROXY_HEADER')
        }
      }),
      { numRuns: 3000 },
    )
  })
})
