import { once } from 'node:events'
import { type ConnectionOptions, connect, createServer, type TLSSocket } from 'node:tls'
import type { AddressInfo } from 'node:net'
import type { Address } from '@proxy/kernel'
import {
  type CertificateAuthority,
  certificateAuthority,
  describeNeeding,
  echo,
  type Leaf,
  launch,
  run,
  type TcpBackend,
  tcpBackend,
} from '@proxy/test-servers'
import { backendTls, tls } from '@proxy/tls'
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest'
import { tcp } from '../src/index.ts'
import { client, drain, setting } from './setting.ts'

describeNeeding(['openssl', 'curl'], 'tcp and TLS', () => {
  let ca: CertificateAuthority
  let gatewayLeaf: Leaf
  let plain: TcpBackend

  beforeAll(async () => {
    ca = certificateAuthority()
    gatewayLeaf = ca.server({ name: 'gateway', altNames: ['alpha.test'] })
    plain = await tcpBackend(echo)
  })

  afterAll(async () => {
    await plain.close()
    ca.dispose()
  })

  /** A TLS backend with a certificate of its own, which says its name and then sends everything back. */
  async function secureBackend(name: string): Promise<string> {
    const server = createServer(ca.server({ name, altNames: [`${name}.test`] }), (socket) => {
      socket.on('error', () => undefined)
      socket.write(`${name} `)
      socket.pipe(socket)
    })
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    onTestFinished(() => void server.close())
    return `127.0.0.1:${(server.address() as AddressInfo).port}`
  }

  async function join({ host, port }: Address, options: ConnectionOptions): Promise<TLSSocket> {
    const socket = connect({ host, port, ca: ca.cert, ...options })
    onTestFinished(() => void socket.destroy())
    await once(socket, 'secureConnect')
    return socket
  }

  const refused = (address: Address, servername: string): Promise<string> =>
    join(address, { servername }).then(
      () => 'let in',
      (error: NodeJS.ErrnoException) => error.code ?? error.message,
    )

  describe('passed through', () => {
    const passthrough = () => ({ protocol: tcp(), tls: tls({ mode: 'passthrough' }) })

    it('reaches the backend of the server name, which shows its own certificate', async () => {
      const routes = { 'alpha.test': await secureBackend('alpha'), 'beta.test': await secureBackend('beta') }
      const { address, requests } = await setting(passthrough(), routes)
      for (const name of ['alpha', 'beta']) {
        const socket = await join(address, { servername: `${name}.test` })
        expect(socket.getPeerCertificate().subject.CN).toBe(name)
        socket.end('hello')
        expect((await drain(socket)).toString()).toBe(`${name} hello`)
      }
      expect(requests.map(({ key }) => key)).toEqual(['alpha.test', 'beta.test'])
    })

    it('works for openssl s_client', async () => {
      const { address } = await setting(passthrough(), { 'alpha.test': await secureBackend('alpha') })
      const server = ['-connect', `${address.host}:${address.port}`, '-servername', 'ALPHA.test.']
      const openssl = launch('openssl', ['s_client', ...server, '-CAfile', ca.certFile, '-verify_return_error'])
      onTestFinished(async () => void (await openssl.stop()))
      await openssl.waitFor(/subject=CN ?= ?alpha/)
    })

    it('works for curl, whose opening is cut into single bytes on its way', async () => {
      const { address } = await setting(passthrough(), { 'alpha.test': await secureBackend('alpha') })
      const slow = await tcpBackend((socket) => {
        const onward = client(address)
        onward.pipe(socket)
        socket.on('close', () => onward.destroy())
        socket.on('data', (bytes: Buffer) => {
          for (const byte of bytes) onward.write(Buffer.of(byte))
        })
      })
      onTestFinished(() => slow.close())
      const to = ['--connect-to', `alpha.test:443:${slow.endpoint}`, '--cacert', ca.certFile]
      const { stderr } = await run('curl', ['-svm', '1', '--http0.9', ...to, 'https://alpha.test/', '-o', '/dev/null'])
      expect(stderr).toContain('SSL certificate verify ok')
    })

    it('tells a client of an unknown name so, as an alert', async () => {
      const { address } = await setting(passthrough(), {})
      expect(await refused(address, 'gamma.test')).toBe('ERR_SSL_TLSV1_UNRECOGNIZED_NAME')
    })

    it('tells a client without a name so', async () => {
      const { address, ended } = await setting(passthrough(), {})
      const end = ended()
      expect(await refused(address, '')).toBe('ERR_SSL_TLSV1_UNRECOGNIZED_NAME')
      expect((await end).error).toMatchObject({
        code: 'PROXY_NO_KEY',
        message: 'the connection has no TLS server name (SNI) to be routed by',
      })
    })

    it('tells a client of a dead backend so', async () => {
      const gone = await tcpBackend(echo)
      await gone.close()
      const { address } = await setting(passthrough(), { 'alpha.test': gone.endpoint })
      expect(await refused(address, 'alpha.test')).toBe('ERR_SSL_TLSV1_ALERT_INTERNAL_ERROR')
    })

    it('closes on what is no TLS', async () => {
      const { address, ended, requests } = await setting(passthrough(), {})
      const end = ended()
      const socket = client(address)
      socket.write('GET / HTTP/1.1\r\nHost: alpha.test\r\n\r\n')
      expect((await drain(socket)).length).toBe(0)
      expect((await end).error?.code).toBe('PROXY_TLS_HANDSHAKE')
      expect(requests).toEqual([])
    })
  })

  describe('ended here', () => {
    it('routes by server name to a plain backend', async () => {
      const { address, requests } = await setting(
        { protocol: tcp(), tls: tls({ certificates: [gatewayLeaf] }) },
        { 'alpha.test': plain.endpoint },
      )
      const socket = await join(address, { servername: 'alpha.test' })
      expect(socket.getPeerCertificate().subject.CN).toBe('gateway')
      socket.end('hello')
      expect((await drain(socket)).toString()).toBe('hello')
      expect(requests[0]?.tls).toMatchObject({ serverName: 'alpha.test', version: 'TLSv1.3' })
    })

    it('is begun anew towards a backend that wants it', async () => {
      const { address } = await setting(
        { protocol: tcp(), tls: tls({ certificates: [gatewayLeaf] }) },
        {
          'alpha.test': {
            endpoint: await secureBackend('alpha'),
            tls: { mode: 'implicit', ca: ca.cert, serverName: 'alpha.test' },
          },
        },
        { backendTls: backendTls() },
      )
      const socket = await join(address, { servername: 'alpha.test' })
      socket.end('hello')
      expect((await drain(socket)).toString()).toBe('alpha hello')
    })

    it('offers the ALPN names it was given', async () => {
      const { address } = await setting(
        { protocol: tcp({ name: 'mqtt', key: 'alpha', alpn: ['mqtt'] }), tls: tls({ certificates: [gatewayLeaf] }) },
        { alpha: plain.endpoint },
      )
      const socket = await join(address, { servername: 'alpha.test', ALPNProtocols: ['mqtt'] })
      expect(socket.alpnProtocol).toBe('mqtt')
    })
  })

  describe('negotiated', () => {
    const optional = (required: boolean) => ({
      protocol: tcp({ name: 'redis', key: 'alpha' }),
      tls: tls({ mode: 'negotiated', required, certificates: [gatewayLeaf] }),
    })

    it('begins when the client begins it', async () => {
      const { address, requests } = await setting(optional(true), { alpha: plain.endpoint })
      const socket = await join(address, { servername: 'alpha.test' })
      socket.end('PING\r\n')
      expect((await drain(socket)).toString()).toBe('PING\r\n')
      expect(requests[0]?.tls?.serverName).toBe('alpha.test')
    })

    it('is left out for a client that does not', async () => {
      const { address, requests } = await setting(optional(false), { alpha: plain.endpoint })
      const socket = client(address)
      socket.end('PING\r\n')
      expect((await drain(socket)).toString()).toBe('PING\r\n')
      expect(requests[0]?.tls).toBeUndefined()
    })

    it('may be required', async () => {
      const { address } = await setting(optional(true), { alpha: plain.endpoint })
      const socket = client(address)
      socket.write('PING\r\n')
      expect((await drain(socket)).toString()).toBe('-ERR TLS is required\r\n')
    })
  })
})
