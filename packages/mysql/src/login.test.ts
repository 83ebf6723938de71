import { readFileSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import { agreed, capabilities, has, offered } from './capabilities.ts'
import { attributeOf, encodeLogin, encodeSslRequest, isSslRequest, type LoginPacket, parseLogin } from './login.ts'
import { framerOf } from './wire.ts'

const captured = (name: string): Buffer => readFileSync(new URL(`__fixtures__/${name}.login.bin`, import.meta.url))
const payload = (name: string): Buffer => captured(name).subarray(4)
const code = (name: string): object => expect.objectContaining({ code: name })

const base: LoginPacket = {
  flags: offered([], false),
  maxPacket: 1 << 24,
  charset: 45,
  user: 'app',
  response: Buffer.alloc(20, 7),
  database: 'alpha',
  plugin: 'mysql_native_password',
  attributes: undefined,
}

describe('logins of real clients', () => {
  test.each([
    ['cli', 'mysql', 33],
    ['mysql2', undefined, 224],
    ['mariadb', undefined, 224],
  ])('%s', (name, program, charset) => {
    const login = parseLogin(payload(name))
    expect(login).toMatchObject({ user: 'app', database: 'alpha', plugin: 'mysql_native_password', charset })
    expect(login.response).toHaveLength(20)
    expect(attributeOf(login, 'program_name')).toBe(program)
    expect(attributeOf(login, '_client_name')).toMatch(/^(libmariadb|Node-MySQL-2|MariaDB connector\/Node)$/)
    expect(attributeOf(login, 'nothing')).toBeUndefined()
    expect(parseLogin(encodeLogin(login))).toEqual({ ...login, flags: login.flags >>> 0 })
  })

  test.each(['cli', 'mysql2', 'mariadb'])('%s: a login that is cut short is refused or has no attributes', (name) => {
    const whole = payload(name)
    for (let length = 0; length < whole.length; length++) {
      try {
        expect(parseLogin(whole.subarray(0, length)).user).toMatch(/^a?p?p?$/)
      } catch (error) {
        expect(error).toEqual(code('PROXY_MALFORMED'))
      }
    }
  })

  test.each(['cli', 'mysql2', 'mariadb'])('%s: its packet is measured from any part of it', (name) => {
    const framer = framerOf('PROXY_MALFORMED')
    const packet = captured(name)
    for (let length = 0; length <= packet.length; length++) {
      expect(framer(packet.subarray(0, length))).toBe(length < 3 ? 0 : packet.length)
    }
  })
})

describe('a login', () => {
  test('is read as it was written', () => {
    for (const change of [
      {},
      { database: undefined },
      { response: Buffer.alloc(0) },
      { response: Buffer.alloc(3_000, 9) },
      { attributes: Buffer.from('\x01a\x01b', 'latin1') },
      { attributes: Buffer.concat(Array.from({ length: 300 }, () => Buffer.from('\x03abc\x02de', 'latin1'))) },
      { user: 'löwe', database: 'größe' },
    ]) {
      const login = { ...base, ...change }
      expect(parseLogin(encodeLogin(login))).toMatchObject({ ...login, flags: expect.any(Number) as number })
    }
  })

  test('flags what it holds', () => {
    const flagsOf = (login: LoginPacket): number => encodeLogin(login).readUInt32LE(0)
    expect(has(flagsOf(base), 'connectWithDb')).toBe(true)
    expect(has(flagsOf({ ...base, database: undefined }), 'connectWithDb')).toBe(false)
    expect(has(flagsOf(base), 'connectAttributes')).toBe(false)
    expect(has(flagsOf(base), 'ssl')).toBe(false)
  })

  test('leaves out what the backend does not know', () => {
    const flags = base.flags & ~(capabilities.pluginAuth | capabilities.connectAttributes)
    const told = encodeLogin({ ...base, flags, attributes: Buffer.from('\x01a\x01b', 'latin1') })
    expect(told.toString('latin1')).not.toContain('mysql_native_password')
    expect(told.subarray(-6).toString('latin1')).toBe('alpha\0')
  })

  test('with a zero byte in a name is never written', () => {
    expect(() => encodeLogin({ ...base, user: 'app\0evil' })).toThrow(code('PROXY_INTERNAL'))
    expect(() => encodeLogin({ ...base, database: 'a\0b' })).toThrow(code('PROXY_INTERNAL'))
  })

  test('in an encoding that would not survive is refused', () => {
    const login = encodeLogin(base)
    login[33] = 0xff
    expect(() => parseLogin(login)).toThrow(code('PROXY_MALFORMED'))
  })

  test.each(['protocol41', 'pluginAuth'] as const)('of a client without %s is told to be upgraded', (capability) => {
    const login = encodeLogin(base)
    login.writeUInt32LE((base.flags & ~capabilities[capability]) >>> 0, 0)
    expect(() => parseLogin(login)).toThrow(code('PROXY_UNSUPPORTED'))
  })

  test('with attributes that make no sense has none', () => {
    const login = { ...base, attributes: Buffer.from('\x05ab', 'latin1') }
    expect(attributeOf(login, 'ab')).toBeUndefined()
  })
})

test('an SSLRequest is the head of a login alone', () => {
  const request = encodeSslRequest(base)
  expect(isSslRequest(request)).toBe(true)
  expect(isSslRequest(encodeLogin({ ...base, flags: base.flags | capabilities.ssl }))).toBe(false)
  expect(isSslRequest(encodeLogin(base).subarray(0, 32))).toBe(false)
})

describe('capabilities', () => {
  test('are what both have', () => {
    const backend = offered([], true) & ~capabilities.localFiles
    const flags = agreed(offered(['deprecateEof'], true), [], backend)
    expect(has(flags, 'localFiles')).toBe(false)
    expect(has(flags, 'deprecateEof')).toBe(false)
    expect(has(flags, 'ssl')).toBe(false)
    expect(has(flags, 'multiStatements')).toBe(true)
  })

  test('that a client has taken up and its backend lacks are an error', () => {
    const client = offered(['deprecateEof', 'sessionTrack'], false)
    expect(() => agreed(client, ['deprecateEof', 'sessionTrack'], offered(['deprecateEof'], false))).toThrow(
      /sessionTrack/,
    )
    expect(has(agreed(offered([], false), ['sessionTrack'], offered([], false)), 'sessionTrack')).toBe(false)
  })

  test('never offer compression, nor those of MariaDB alone', () => {
    const flags = offered(['deprecateEof', 'sessionTrack', 'queryAttributes', 'optionalMetadata'], true)
    for (const bit of [5, 26, 28, 29, 30, 31]) expect(flags & (1 << bit)).toBe(0)
    expect(flags & 1).toBe(1)
  })
})
