import { describeNeeding, launch, type Leaf } from '@proxy/test-servers'
import { beforeAll, describe, expect, it, onTestFinished } from 'vitest'
import { tls } from '../src/index.ts'
import { authority, join, reporter, setting } from './setting.ts'
import { startTls } from './start-tls.ts'

describeNeeding(['openssl'], 'what client and listener agree on', () => {
  const ca = authority()
  let leaf: Leaf

  beforeAll(() => {
    leaf = ca.current.server({ name: 'server', altNames: ['db.test'] })
  })

  const client = () => ({ servername: 'db.test', ca: ca.current.cert })

  describe('ALPN', () => {
    it('takes the first name of the protocol that the client offers too', async () => {
      const { address } = await setting(tls({ certificates: [leaf] }), reporter(['h2', 'http/1.1']))
      const { report, socket } = await join(address, { ...client(), ALPNProtocols: ['http/1.1', 'h2'] })
      expect(report.alpn).toBe('h2')
      expect(socket.alpnProtocol).toBe('h2')
    })

    it('ends in the alert no_application_protocol when there is none', async () => {
      const { address, ended } = await setting(tls({ certificates: [leaf] }), reporter(['postgresql']))
      const end = ended()
      await expect(join(address, { ...client(), ALPNProtocols: ['h2'] })).rejects.toMatchObject({
        code: 'ERR_SSL_TLSV1_ALERT_NO_APPLICATION_PROTOCOL',
      })
      expect(await end).toMatchObject({ outcome: 'refused', error: { code: 'PROXY_TLS_HANDSHAKE' } })
    })

    it('is left out for a protocol without names', async () => {
      const { address } = await setting(tls({ certificates: [leaf] }))
      expect((await join(address, { ...client(), ALPNProtocols: ['h2'] })).report.alpn).toBeUndefined()
    })

    it('is left out for a client without names', async () => {
      const { address } = await setting(tls({ certificates: [leaf] }), reporter(['h2']))
      expect((await join(address, client())).report.alpn).toBeUndefined()
    })
  })

  describe('version', () => {
    it('is TLS 1.3 where both can', async () => {
      const { address } = await setting(tls({ certificates: [leaf] }))
      expect((await join(address, client())).report).toMatchObject({
        version: 'TLSv1.3',
        cipher: expect.stringMatching(/^TLS_/),
      })
    })

    it('may be TLS 1.2', async () => {
      const { address } = await setting(tls({ certificates: [leaf] }))
      expect((await join(address, { ...client(), maxVersion: 'TLSv1.2' })).report.version).toBe('TLSv1.2')
    })

    it('may not be TLS 1.1', async () => {
      // OpenSSL's security level would refuse it too.
      const ciphers = 'DEFAULT@SECLEVEL=0'
      const { address } = await setting(tls({ certificates: [leaf], ciphers }))
      const old = { minVersion: 'TLSv1', maxVersion: 'TLSv1.1', ciphers } as const
      await expect(join(address, { ...client(), ...old })).rejects.toMatchObject({
        code: 'ERR_SSL_TLSV1_ALERT_PROTOCOL_VERSION',
      })
    })

    it('may not be TLS 1.2 where the listener wants 1.3', async () => {
      const { address } = await setting(tls({ certificates: [leaf], minVersion: 'TLSv1.3' }))
      await expect(join(address, { ...client(), maxVersion: 'TLSv1.2' })).rejects.toThrow(/protocol version/)
    })
  })

  it('carries bytes both ways, half-close included', async () => {
    const { address, ended } = await setting(tls({ certificates: [leaf] }))
    const end = ended()
    const joined = await join(address, client())
    const text = 'x'.repeat(1_000_000)
    expect(await joined.echo(text)).toBe(text)
    joined.socket.end()
    expect(await end).toMatchObject({ outcome: 'relayed', reason: 'client', tls: { serverName: 'db.test' } })
  })

  it('begins in-band where the protocol says so', async () => {
    const { address } = await setting(tls({ mode: 'negotiated', certificates: [leaf] }))
    const socket = await startTls(address)
    const { report } = await join(address, { ...client(), socket })
    expect(report.serverName).toBe('db.test')
  })

  it('serves openssl s_client', async () => {
    const { address } = await setting(tls({ certificates: [leaf] }))
    const server = ['-connect', `${address.host}:${address.port}`, '-servername', 'db.test']
    const trust = ['-CAfile', ca.current.certFile, '-verify_return_error', '-verify_hostname', 'db.test']
    const client = launch('openssl', ['s_client', '-quiet', ...server, ...trust])
    onTestFinished(async () => void (await client.stop()))
    await client.waitFor(/"serverName":"db.test"/)
  })
})
