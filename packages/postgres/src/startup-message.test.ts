import { readFileSync } from 'node:fs'
import { GatewayError } from '@proxy/kernel'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { encodeStartup, parseStartup, rewriteStartup } from './startup-message.ts'
import { packetCode, requestCodes } from './wire.ts'

function startupFixture(name: string): Buffer {
  const bytes = readFileSync(new URL(`__fixtures__/${name}.client.bin`, import.meta.url))
  const skip = packetCode(bytes) === requestCodes.ssl ? 8 : 0
  return bytes.subarray(skip, skip + bytes.readUInt32BE(skip))
}

const v3 = 3 << 16

describe('startup messages of real clients', () => {
  test.each(['psql', 'psql-libpq18', 'pgbench', 'pg', 'postgres-js'])('%s', (name) => {
    const packet = startupFixture(name)
    const startup = parseStartup(packet)
    expect(startup).toMatchObject({ user: 'demo', database: 'alpha' })
    expect(encodeStartup(startup.version, startup.parameters)).toEqual(packet)
  })

  test('replication', () => {
    expect(parseStartup(startupFixture('psql-replication')).parameters.get('replication')).toBe('database')
  })

  test('a version that nobody knows yet', () => {
    const packet = encodeStartup(v3 + 9999, [
      ['user', 'a'],
      ['_pq_.new', 'x'],
    ])
    expect(parseStartup(packet)).toMatchObject({ version: v3 + 9999, database: undefined })
  })
})

describe('refused', () => {
  const lay = (text: string): Buffer => {
    const packet = Buffer.concat([Buffer.alloc(8), Buffer.from(text)])
    packet.writeUInt32BE(packet.length, 0)
    packet.writeUInt32BE(v3, 4)
    return packet
  }

  test.each([
    ['no terminator', 'user\0a\0'],
    ['bytes behind the terminator', 'user\0a\0\0x'],
    ['a name without a value', 'user\0a\0database\0'],
    ['no user', 'database\0a\0\0'],
    ['an empty user', 'user\0\0\0'],
    ['two databases', 'user\0a\0database\0b\0database\0c\0\0'],
  ])('%s', (_, text) => {
    expect(() => parseStartup(lay(text))).toThrow(expect.objectContaining({ code: 'PROXY_MALFORMED' }))
  })

  test('protocol 2', () => {
    const packet = encodeStartup(2 << 16, [['user', 'a']])
    expect(() => parseStartup(packet)).toThrow(expect.objectContaining({ code: 'PROXY_UNSUPPORTED' }))
  })

  test('garbage, with an error of ours', () => {
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 1, maxLength: 60 }), (bytes) => {
        const packet = lay(Buffer.from(bytes).toString('latin1'))
        try {
          parseStartup(packet)
        } catch (error) {
          expect(GatewayError.is(error)).toBe(true)
        }
      }),
    )
  })
})

const text = fc.string({ maxLength: 12 }).map((value) => value.replaceAll('\0', ''))
const name = text.filter((value) => value !== '' && value !== 'user')

test('whatever is encoded is read again', () => {
  fc.assert(
    fc.property(fc.dictionary(name, text), (others) => {
      const parameters = [['user', 'a'] as const, ...Object.entries(others)]
      expect([...parseStartup(encodeStartup(v3, parameters)).parameters]).toEqual(parameters)
    }),
  )
})

describe('rewriting', () => {
  const packet = encodeStartup(v3, [
    ['user', 'a.t'],
    ['database', 'd'],
    ['options', '-c x=y'],
  ])

  test('replaces, adds and removes', () => {
    const rewritten = rewriteStartup(
      packet,
      new Map<string, string | undefined>([
        ['user', 'a'],
        ['options', undefined],
      ]),
    )
    const added = rewriteStartup(rewritten, new Map([['application_name', 'z']]))
    expect([...parseStartup(added).parameters]).toEqual([
      ['user', 'a'],
      ['database', 'd'],
      ['application_name', 'z'],
    ])
  })

  test('leaves bytes alone that are no UTF-8', () => {
    const foreign = Buffer.from('user\0a\0x\xff\0\xfe\0\0', 'latin1')
    const odd = Buffer.concat([packet.subarray(0, 8), foreign])
    odd.writeUInt32BE(odd.length, 0)
    const rewritten = rewriteStartup(odd, new Map([['user', 'bb']]))
    expect(rewritten.subarray(8)).toEqual(Buffer.from('user\0bb\0x\xff\0\xfe\0\0', 'latin1'))
  })
})
