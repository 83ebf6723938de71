import { join } from 'node:path'
import { describeNeeding, type Leaf } from '@proxy/test-servers'
import { beforeAll, describe, expect, it } from 'vitest'
import { type TlsOptions, tls } from '../src/index.ts'
import { authority, setting } from './setting.ts'

describeNeeding(['openssl'], 'the options of tls', () => {
  const ca = authority()
  let leaf: Leaf
  let other: Leaf

  beforeAll(() => {
    leaf = ca.current.server({ name: 'server', altNames: ['a.test'] })
    other = ca.current.server({ name: 'other', altNames: ['a.test'] })
  })

  it.each<[string, () => TlsOptions, RegExp]>([
    ['no certificate', () => ({}), /mode 'implicit' needs at least one certificate/],
    ['a missing file', () => ({ certificates: [{ cert: join('no', 'where.pem'), key: leaf.key }] }), /cannot be read/],
    [
      'another key',
      () => ({ certificates: [{ cert: leaf.cert, key: other.key }] }),
      /certificates\[0\]: its cert, key/,
    ],
    [
      'garbage',
      () => ({ certificates: [leaf, { cert: '-----BEGIN X', key: leaf.key }] }),
      /certificates\[1\]: its cert/,
    ],
    [
      'client certificates of anybody',
      () => ({ certificates: [leaf], requireClientCert: true }),
      /certificates\[0\]: requireClientCert needs ca/,
    ],
    [
      'a name that is none',
      () => ({ certificates: [{ ...leaf, serverNames: ['ok.test', '*'] }] }),
      /'\*' is neither a host name nor '\*\.' and a host name/,
    ],
    [
      'two certificates by one name',
      () => ({
        certificates: [
          { ...leaf, serverNames: ['A.test'] },
          { ...other, serverNames: ['a.test.'] },
        ],
      }),
      /two certificates are for 'a\.test'/,
    ],
    [
      'short ticket keys',
      () => ({ certificates: [leaf], ticketKeys: Buffer.alloc(31) }),
      /ticketKeys must have at least 32 bytes/,
    ],
  ])('%s is refused', (_, options, message) => {
    expect(() => tls(options())).toThrow(
      expect.objectContaining({ code: 'PROXY_CONFIG_INVALID', message: expect.stringMatching(message) }),
    )
  })

  it('passthrough needs no certificate, and ends no TLS', async () => {
    const listener = tls({ mode: 'passthrough' })
    expect(listener.mode).toBe('passthrough')
    const { gateway } = await setting(listener)
    expect(gateway.phase).toBe('open')
  })

  it('required is false unless it is said', () => {
    expect(tls({ mode: 'negotiated', certificates: [leaf] }).required).toBe(false)
    expect(tls({ mode: 'negotiated', required: true, certificates: [leaf] }).required).toBe(true)
  })

  describe('certificates', () => {
    it('may be text, bytes or files', () => {
      const { cert, key, certFile, keyFile } = leaf
      for (const pair of [
        { cert, key },
        { cert: Buffer.from(cert), key: Buffer.from(key) },
        { cert: certFile, key: keyFile },
      ]) {
        expect(tls({ certificates: [pair] }).mode).toBe('implicit')
      }
    })
  })
})
