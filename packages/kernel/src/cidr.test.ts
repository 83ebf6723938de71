import { BlockList } from 'node:net'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { type Cidr, cidrMatcher, parseCidr } from './cidr.ts'
import { formatIp, parseIp } from './ip.ts'

const bytesOf = (text: string): Uint8Array => parseIp(text) as Uint8Array

describe('parseCidr', () => {
  it.each(['10.0.0.0/8', '0.0.0.0/0', '192.168.1.1/32', 'fd00::/8', '::/0', '::1/128', 'fe80::/10'])(
    'reads %s and writes it back',
    (text) => expect(parseCidr(text).toString()).toBe(text),
  )

  it('takes a bare address for itself alone', () => {
    expect(parseCidr('10.0.0.1').toString()).toBe('10.0.0.1/32')
    expect(parseCidr('::1').toString()).toBe('::1/128')
  })

  it('takes a mapped range for the IPv4 range it is', () => {
    expect(parseCidr('::ffff:10.0.0.0/104').toString()).toBe('10.0.0.0/8')
  })

  it.each([
    '',
    '/8',
    '10.0.0.0/33',
    '::/129',
    '10.0.0.0/',
    '10.0.0.0/08',
    '10.0.0.0/-1',
    '10/8',
    'a/8',
    '10.0.0.0/8/8',
  ])('refuses %j and quotes it', (text) => {
    expect(() => parseCidr(text)).toThrowError(
      expect.objectContaining({ code: 'PROXY_CONFIG_INVALID', message: expect.stringContaining(JSON.stringify(text)) }),
    )
  })

  it('refuses bits behind the prefix and says what was meant', () => {
    expect(() => parseCidr('10.1.2.3/8')).toThrowError(/10\.0\.0\.0\/8\?/)
  })
})

describe('Cidr.contains', () => {
  it('agrees with node:net for every prefix length', () => {
    const family = fc.constantFrom(4, 16)
    const pair = family.chain((length) => {
      const address = fc.uint8Array({ minLength: length, maxLength: length })
      // Nearby addresses, so that both answers are common.
      const flips = fc.array(fc.integer({ min: 0, max: length * 8 - 1 }), { maxLength: 2 })
      return fc.tuple(address, flips, fc.integer({ min: 0, max: length * 8 }))
    })
    fc.assert(
      fc.property(pair, ([address, flips, bits]) => {
        const type = address.length === 4 ? 'ipv4' : 'ipv6'
        const network = networkOf(address, bits)
        const probe = Uint8Array.from(address)
        for (const bit of flips) probe[bit >> 3] = (probe[bit >> 3] as number) ^ (0x80 >> (bit & 7))
        const list = new BlockList()
        list.addSubnet(formatIp(network), bits, type)
        const cidr: Cidr = parseCidr(`${formatIp(network)}/${bits}`)
        expect(cidr.contains(probe)).toBe(list.check(formatIp(probe), type))
      }),
      { numRuns: 2000 },
    )
  })

  it('matches IPv4 in its mapped form, and never a v4 range by a v6 address', () => {
    const ten = parseCidr('10.0.0.0/8')
    expect(ten.contains(bytesOf('::ffff:10.1.2.3'))).toBe(true)
    expect(ten.contains(bytesOf('::10.1.2.3'))).toBe(false)
    expect(parseCidr('0.0.0.0/0').contains(bytesOf('::1'))).toBe(false)
    expect(parseCidr('::/0').contains(bytesOf('10.0.0.1'))).toBe(false)
  })
})

function networkOf(address: Uint8Array, bits: number): Uint8Array {
  const keep =
    (BigInt(`0x${Buffer.from(address).toString('hex')}`) >> BigInt(address.length * 8 - bits)) <<
    BigInt(address.length * 8 - bits)
  return Uint8Array.from(Buffer.from(keep.toString(16).padStart(address.length * 2, '0'), 'hex'))
}

describe('cidrMatcher', () => {
  it('says yes for any of its ranges and no to what is no address', () => {
    const trusted = cidrMatcher(['10.0.0.0/8', 'fd00::/8'])
    expect(['10.9.9.9', '::ffff:10.9.9.9', 'fd12::1'].every(trusted)).toBe(true)
    expect(['11.0.0.1', 'fe00::1', 'localhost', ''].some(trusted)).toBe(false)
    expect(cidrMatcher([])('10.0.0.1')).toBe(false)
  })
})
