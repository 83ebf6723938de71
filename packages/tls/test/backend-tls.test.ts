import { once } from 'node:events'
import { type AddressInfo, createServer as createTcpServer } from 'node:net'
import { createServer, type TlsOptions, type TLSSocket } from 'node:tls'
import { type BackendTls, type BackendTlsProvider, type Link, nodeTransport, type Secured } from '@proxy/kernel'
import { describeNeeding, type Leaf } from '@proxy/test-servers'
import { transportUnderTest } from '@proxy/test-servers/transport'
import { turn } from '@proxy/testkit'
import { beforeAll, describe, expect, it, onTestFinished } from 'vitest'
import { backendTls } from '../src/index.ts'
import { authority } from './setting.ts'

describeNeeding(['openssl'], 'backendTls', () => {
  const ca = authority('Own')
  const foreign = authority('Foreign')
  let leaf: Leaf

  beforeAll(() => {
    leaf = ca.current.server({ name: 'backend', altNames: ['db.test', '127.0.0.1'] })
  })

  interface Served {
    readonly port: number
    /** Its side of the next connection. */
    accepted(): Promise<TLSSocket>
  }

  /** A TLS server that says one byte. */
  async function serve(options: TlsOptions = leaf): Promise<Served> {
    const server = createServer(options, (socket) => {
      socket.on('error', () => undefined).resume()
      socket.write('x')
    })
    server.on('tlsClientError', () => undefined)
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    onTestFinished(() => void server.close())
    const accepted = async (): Promise<TLSSocket> => ((await once(server, 'secureConnection')) as [TLSSocket])[0]
    return { port: (server.address() as AddressInfo).port, accepted }
  }

  /** The byte that the server sends comes behind its tickets. */
  const heard = (link: Link): Promise<void> =>
    new Promise((resolve) => {
      link.attach({ onData: () => resolve(), onDrain() {}, onEnd() {}, onClose() {} })
      link.resume()
    })

  async function dial(port: number): Promise<Link> {
    const signal = AbortSignal.timeout(10_000)
    const transport = transportUnderTest() ?? nodeTransport()
    const link = await transport.connect({ host: '127.0.0.1', port, timeoutMs: 5_000 }, signal)
    onTestFinished(() => link.destroy())
    return link
  }

  async function secure(
    port: number,
    options: Partial<BackendTls> | BackendTls,
    { host = 'db.test', provider = backendTls(), alpn = [] as string[], signal = AbortSignal.timeout(10_000) } = {},
  ): Promise<Secured> {
    const tls = 'mode' in options ? (options as BackendTls) : { mode: 'implicit' as const, ...options }
    return provider.secure(await dial(port), tls, host, { unread: Buffer.alloc(0), alpn, signal })
  }

  it("sends and verifies the endpoint's host name", async () => {
    const { port, accepted } = await serve()
    const server = accepted()
    const { tls } = await secure(port, { ca: ca.current.cert })
    expect((await server).servername).toBe('db.test')
    expect(tls).toMatchObject({ version: 'TLSv1.3', serverName: 'db.test', certificate: { subject: 'CN=backend' } })
  })

  it('prefers the server name of the resolution', async () => {
    const { port, accepted } = await serve()
    const server = accepted()
    await secure(port, { ca: ca.current.cert, serverName: 'db.test' }, { host: 'internal.test' })
    expect((await server).servername).toBe('db.test')
  })

  it('verifies an IP address, and sends no name for it', async () => {
    const { port, accepted } = await serve()
    const server = accepted()
    const { tls } = await secure(port, { ca: ca.current.cert }, { host: '127.0.0.1' })
    expect((await server).servername).toBe(false)
    expect(tls.serverName).toBeUndefined()
  })

  it('shows its certificate to a backend that asks', async () => {
    const gateway = ca.current.client({ name: 'gateway' })
    const { port, accepted } = await serve({ ...leaf, ca: ca.current.cert, requestCert: true })
    const server = accepted()
    await secure(port, { ca: ca.current.cert, cert: gateway.cert, key: gateway.key })
    expect((await server).getPeerCertificate().subject.CN).toBe('gateway')
  })

  it('agrees on ALPN', async () => {
    const { port } = await serve({ ...leaf, ALPNProtocols: ['postgresql'] })
    expect((await secure(port, { ca: ca.current.cert }, { alpn: ['postgresql'] })).tls.alpn).toBe('postgresql')
  })

  it.each<[string, () => Partial<BackendTls>, string, RegExp]>([
    ['an unknown authority', () => ({ ca: foreign.current.cert }), 'db.test', /: its certificate is not trusted$/],
    ['no authority at all', () => ({}), 'db.test', /: its certificate is not trusted$/],
    ['another name', () => ({ ca: ca.current.cert }), 'other.test', /: its certificate is for another name$/],
    ['another address', () => ({ ca: ca.current.cert }), '127.0.0.2', /: its certificate is for another name$/],
    ['a client certificate that cannot be read', () => ({ cert: 'nonsense', key: 'nonsense' }), 'db.test', /failed$/],
  ])('refuses %s, without a word on the inside', async (_, options, host, message) => {
    const { port } = await serve()
    const error = await secure(port, options(), { host }).catch((reason: unknown) => reason)
    expect(error).toMatchObject({ code: 'PROXY_BACKEND_TLS', origin: 'backend', message })
    expect((error as Error).message).not.toMatch(/test|127/)
  })

  it('accepts anything where it is told to, and vouches for nothing', async () => {
    const { port } = await serve()
    const { tls } = await secure(port, { insecure: true }, { host: 'other.test' })
    expect(tls.certificate).toBeUndefined()
  })

  it('resumes sessions of the same kind of backend, and of no other', async () => {
    const { port, accepted } = await serve()
    const provider = backendTls()
    const options: BackendTls = { mode: 'implicit', ca: ca.current.cert }
    const reused = async (tls: BackendTls, host = 'db.test'): Promise<boolean> => {
      const server = accepted()
      const { link } = await secure(port, tls, { provider, host })
      await heard(link)
      // Node tells of the tickets behind the bytes.
      await turn()
      return (await server).isSessionReused()
    }
    expect(await reused(options)).toBe(false)
    expect(await reused(options)).toBe(true)
    expect(await reused({ ...options })).toBe(true)
    expect(await reused({ ...options, insecure: true })).toBe(false)
    expect(await reused({ ...options, ca: `${ca.current.cert}${foreign.current.cert}` })).toBe(false)
    expect(await reused(options, '127.0.0.1')).toBe(false)
  })

  it('verifies in spite of a session that was begun without verification', async () => {
    const { port } = await serve()
    const provider: BackendTlsProvider = backendTls()
    await secure(port, { insecure: true }, { provider, host: 'other.test' })
    await expect(secure(port, { ca: ca.current.cert }, { provider, host: 'other.test' })).rejects.toThrow(
      /another name/,
    )
  })

  describe('a backend that', () => {
    async function serveRaw(bytes: string | undefined): Promise<number> {
      const server = createTcpServer((socket) => {
        socket.on('error', () => undefined).resume()
        if (bytes !== undefined) socket.end(bytes)
      })
      await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
      onTestFinished(() => void server.close())
      return (server.address() as AddressInfo).port
    }

    it.each([
      ['speaks no TLS', 'HTTP/1.1 400 Bad Request\r\n\r\n'],
      ['closes', ''],
    ])('%s is PROXY_BACKEND_TLS', async (_, bytes) => {
      await expect(secure(await serveRaw(bytes), {})).rejects.toMatchObject({ code: 'PROXY_BACKEND_TLS' })
    })

    it('says nothing is left when the signal says so', async () => {
      const controller = new AbortController()
      const pending = secure(await serveRaw(undefined), {}, { signal: controller.signal })
      controller.abort(new Error('the client left'))
      await expect(pending).rejects.toMatchObject({ code: 'PROXY_BACKEND_TLS' })
    })
  })
})
