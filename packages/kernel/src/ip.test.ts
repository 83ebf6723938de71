import { isIPv4, isIPv6 } from 'node:net'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { formatIp, isIp, parseIp, unmapped } from './ip.ts'

const hex = (text: string): string | undefined => {
  const bytes = parseIp(text)
  return bytes && Buffer.from(bytes).toString('hex')
}

describe('parseIp', () => {
  it.each([
    ['0.0.0.0', '00000000'],
    ['255.255.255.255', 'ffffffff'],
    ['192.168.1.20', 'c0a80114'],
    ['::', '00000000000000000000000000000000'],
    ['::1', '00000000000000000000000000000001'],
    ['2001:DB8::a', '20010db800000000000000000000000a'],
    ['1:2:3:4:5:6:7:8', '00010002000300040005000600070008'],
    ['1:2:3:4:5:6:7::', '00010002000300040005000600070000'],
    ['::ffff:10.0.0.1', '00000000000000000000ffff0a000001'],
    ['64:ff9b::169.254.169.254', '0064ff9b0000000000000000a9fea9fe'],
    ['1:2:3:4:5:6:1.2.3.4', '00010002000300040005000601020304'],
  ])('reads %s', (text, expected) => expect(hex(text)).toBe(expected))

  it.each([
    '',
    '1',
    '127.1',
    '127.0.1',
    '0x7f.0.0.1',
    '0x7f000001',
    '2130706433',
    '010.0.0.1',
    '1.2.3.256',
    '1.2.3.4.',
    '1.2.3.4.5',
    ' 1.2.3.4',
    '1.2.3.4\n',
    '１.2.3.4',
    ':',
    ':::',
    '1::2::3',
    '1:2:3:4:5:6:7',
    '1:2:3:4:5:6:7:8:9',
    '1:2:3:4::5:6:7:8',
    '12345::',
    'g::',
    '1.2.3.4::',
    '::1.2.3.4:5',
    '::1.2.3',
    '::01.2.3.4',
    'fe80::1%eth0',
    '[::1]',
    'localhost',
  ])('refuses %j', (text) => expect(parseIp(text)).toBeUndefined())

  it('agrees with node:net on generated addresses', () => {
    fc.assert(
      fc.property(fc.oneof(fc.ipV4(), fc.ipV6(), fc.ipV4Extended()), (text) => {
        expect(isIp(text)).toBe(isIPv4(text) || isIPv6(text))
      }),
    )
  })

  it('agrees with node:net on text made of the same characters', () => {
    const text = fc.string({ unit: fc.constantFrom(...'0123456789af:::....'), maxLength: 20 })
    fc.assert(
      fc.property(text, (candidate) => {
        expect(isIp(candidate)).toBe(isIPv4(candidate) || isIPv6(candidate))
      }),
      { numRuns: 5000 },
    )
  })
})

describe('formatIp', () => {
  it.each([
    ['1:0:0:2:0:0:0:3', '1:0:0:2::3'],
    ['2001:db8:0:1:1:1:1:1', '2001:db8:0:1:1:1:1:1'],
    ['0:0:1::', '0:0:1::'],
    ['::FFFF:1.2.3.4', '::ffff:1.2.3.4'],
    ['0:0:0:0:0:0:0:0', '::'],
    ['fe80:0::1', 'fe80::1'],
  ])('writes %s as %s', (text, expected) => expect(formatIp(parseIp(text) as Uint8Array)).toBe(expected))

  it('is read back as the same bytes', () => {
    const bytes = fc.oneof(
      fc.uint8Array({ minLength: 4, maxLength: 4 }),
      fc.uint8Array({ minLength: 16, maxLength: 16 }),
      fc.array(fc.constantFrom(0, 0, 0, 1, 255), { minLength: 16, maxLength: 16 }).map((list) => Uint8Array.from(list)),
    )
    fc.assert(
      fc.property(bytes, (address) => {
        expect(parseIp(formatIp(address))).toEqual(address)
      }),
    )
  })
})

describe('unmapped', () => {
  it('takes IPv4 out of its mapped form only', () => {
    expect(formatIp(unmapped(parseIp('::ffff:10.0.0.1') as Uint8Array))).toBe('10.0.0.1')
    expect(formatIp(unmapped(parseIp('::10.0.0.1') as Uint8Array))).toBe('::a00:1')
    expect(formatIp(unmapped(parseIp('10.0.0.1') as Uint8Array))).toBe('10.0.0.1')
  })
})
