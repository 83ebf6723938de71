import { constants, createPrivateKey, privateDecrypt, publicEncrypt } from 'node:crypto'
import { describe, expect, test } from 'vitest'
import { crossingFor, decryptPassword, encryptPassword, mintRsaKey, type Protection } from './password-bridge.ts'

const ways = {
  plain: { client: false, backend: false, backendEncrypted: false },
  tls: { client: true, backend: true, backendEncrypted: true },
  down: { client: true, backend: false, backendEncrypted: false },
  up: { client: false, backend: true, backendEncrypted: true },
  tunnel: { client: true, backend: false, backendEncrypted: true },
} satisfies Record<string, Protection>

const code = (name: string): Error => expect.objectContaining({ code: name }) as Error
const refused = code('PROXY_UNSUPPORTED')

describe('a password', () => {
  test('stays as it is where both ends are alike', () => {
    for (const plugin of ['caching_sha2_password', 'sha256_password', 'mysql_clear_password']) {
      for (const way of [ways.plain, ways.tls]) expect(crossingFor(plugin, way, 'refuse')).toBe('none')
    }
  })

  test('crosses from TLS to plain and back only where that is allowed', () => {
    for (const plugin of ['caching_sha2_password', 'sha256_password']) {
      expect(() => crossingFor(plugin, ways.down, 'refuse')).toThrow(refused)
      expect(() => crossingFor(plugin, ways.up, 'refuse')).toThrow(refused)
      for (const policy of ['rsa', 'allow'] as const) {
        expect(crossingFor(plugin, ways.down, policy)).toBe('encrypt')
        expect(crossingFor(plugin, ways.up, policy)).toBe('decrypt')
      }
    }
  })

  test('is sent on readable only where that is allowed in so many words, or inside TLS', () => {
    for (const plugin of ['mysql_clear_password', 'dialog']) {
      for (const policy of ['refuse', 'rsa'] as const) {
        expect(() => crossingFor(plugin, ways.down, policy)).toThrow(refused)
        expect(crossingFor(plugin, ways.tunnel, policy)).toBe('none')
        expect(crossingFor(plugin, ways.up, policy)).toBe('none')
      }
      expect(crossingFor(plugin, ways.down, 'allow')).toBe('none')
    }
  })

  test('is no matter for plugins that prove it', () => {
    for (const plugin of ['mysql_native_password', 'client_ed25519', 'anything']) {
      expect(crossingFor(plugin, ways.down, 'refuse')).toBe('none')
    }
  })
})

describe('RSA', async () => {
  const key = await mintRsaKey()
  const scramble = Buffer.from('ABCDEFGHIJKLMNOPQRST')
  const password = Buffer.from('a password that is longer than its scramble\0')
  const reply = Buffer.concat([Buffer.of(1), Buffer.from(key.publicPem)])

  test('what is encrypted for a backend is decrypted from a client', () => {
    const secret = encryptPassword(password, scramble, reply)
    expect(secret).toHaveLength(256)
    expect(secret.includes(password)).toBe(false)
    expect(decryptPassword(secret, scramble, key)).toEqual(password)
  })

  test('the password is masked with the scramble', () => {
    const options = { key: createPrivateKey(key.privatePem), padding: constants.RSA_PKCS1_OAEP_PADDING }
    const masked = privateDecrypt(options, encryptPassword(Buffer.from('AB\0'), scramble, reply))
    expect([...masked]).toEqual([0, 0, 'C'.charCodeAt(0)])
  })

  test('what makes no sense is whose fault it is', () => {
    const backend = code('PROXY_BACKEND_PROTOCOL')
    expect(() => encryptPassword(password, scramble, Buffer.from('\x01no key'))).toThrow(backend)
    expect(() => encryptPassword(password, scramble, Buffer.from('\xffno'))).toThrow(backend)
    expect(() => encryptPassword(password, Buffer.alloc(0), reply)).toThrow(backend)
    expect(() => encryptPassword(Buffer.alloc(4_000), scramble, reply)).toThrow(backend)
    expect(() => decryptPassword(Buffer.alloc(256), scramble, key)).toThrow(code('PROXY_MALFORMED'))
    const pkcs1 = publicEncrypt({ key: key.publicPem, padding: constants.RSA_PKCS1_PADDING }, password)
    expect(() => decryptPassword(pkcs1, scramble, key)).toThrow(code('PROXY_MALFORMED'))
  })
})
