import type { ListenerTls, ResolutionRecord } from '@proxy/kernel'
import {
  type CertificateAuthority,
  certificateAuthority,
  describeNeeding,
  type Leaf,
  type PostfixServer,
  postfixServer,
  type SmtpSink,
  smtpSink,
} from '@proxy/test-servers'
import { type TlsOptions, tls } from '@proxy/tls'
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { keywords, RawClient } from './raw.ts'
import { mail, openGateway, to } from './setup.ts'

let authority: CertificateAuthority
let certificate: Leaf
let postfix: PostfixServer
let implicit: PostfixServer
let sink: SmtpSink

describeNeeding(['openssl', 'postfix'], 'TLS', () => {
  beforeAll(async () => {
    authority = certificateAuthority()
    certificate = authority.server({
      name: 'gateway.test',
      altNames: ['localhost', '127.0.0.1', 'alpha.test', 'beta.test'],
    })
    const other = authority.server({ name: 'backend.test' })
    ;[postfix, implicit, sink] = await Promise.all([
      postfixServer({ tls: other }),
      postfixServer({ tls: other, implicitTls: true }),
      smtpSink({ tls: other, users: [{ name: 'ann@alpha.test', password: 'right' }], server: { authOptional: true } }),
    ])
  })
  afterEach(async () => {
    sink.messages.length = 0
    await Promise.all([postfix.clear(), implicit.clear()])
  })
  afterAll(async () => {
    await Promise.all([postfix.stop(), implicit.stop(), sink.stop()])
    authority.dispose()
  })

  const ended = (mode: 'negotiated' | 'implicit', more: TlsOptions = {}): { tls: ListenerTls } => ({
    tls: tls({ mode, certificates: [certificate], ...more }),
  })
  const verified = () => ({ tls: { ca: authority.cert, servername: 'localhost' } })
  const startTls = () => ({ ignoreTLS: false, requireTLS: true, ...verified() })
  const through = (server: { endpoint: string }, mode: 'negotiated' | 'implicit'): ResolutionRecord => ({
    endpoint: server.endpoint,
    tls: { mode, ca: authority.cert, serverName: 'localhost' },
  })

  describe('every combination of the two sides', () => {
    const clients = ['plain', 'STARTTLS', 'implicit'] as const
    const backends = ['plain', 'STARTTLS', 'implicit'] as const

    test.each(clients.flatMap((client) => backends.map((backend) => [client, backend] as const)))(
      'client %s, backend %s',
      async (client, backend) => {
        const server = backend === 'implicit' ? implicit : postfix
        const resolution = () =>
          backend === 'plain' ? server.endpoint : through(server, backend === 'STARTTLS' ? 'negotiated' : 'implicit')
        const listener = client === 'plain' ? {} : ended(client === 'STARTTLS' ? 'negotiated' : 'implicit')
        await using gateway = await openGateway(resolution, { listener })
        const how = { plain: {}, STARTTLS: startTls(), implicit: { secure: true, ...verified() } }[client]
        expect((await mail(gateway.port, how)).response).toContain('250 2.0.0 Ok: queued')
        const [delivered] = await server.delivered()
        expect(/using TLSv1\.3/.test(delivered!.data.toString())).toBe(backend !== 'plain')
      },
    )

    test.each(['off', 'negotiated'] as const)('smtp-server behind it, with AUTH, backend %s', async (mode) => {
      const resolution = () => (mode === 'off' ? sink.endpoint : through(sink, mode))
      await using gateway = await openGateway(resolution, { listener: ended('negotiated') })
      const auth = { user: 'ann@alpha.test', pass: 'right' }
      await mail(gateway.port, { ...startTls(), auth })
      expect(sink.messages[0]!.session).toMatchObject({ user: 'ann@alpha.test', secure: mode === 'negotiated' })
      const wrong = mail(gateway.port, { ...startTls(), auth: { ...auth, pass: 'wrong' } })
      await expect(wrong).rejects.toMatchObject({ responseCode: 535 })
    })
  })

  test('Postfix as a client that insists on TLS', async () => {
    await using gateway = await openGateway(to(sink), { listener: ended('negotiated') })
    const settings = {
      smtp_tls_security_level: 'verify',
      smtp_tls_CAfile: authority.certFile,
      smtp_tls_verify_cert_match: 'hostname',
    }
    await using client = await postfixServer({ name: 'alpha.test', relayTo: gateway.endpoint, settings })
    await mail(client.port)
    await client.delivered()
    expect(sink.messages).toHaveLength(1)
  })

  test('XCLIENT is said inside the TLS of the backend', async () => {
    const resolution = { ...through(postfix, 'negotiated'), metadata: { xclient: true } }
    await using gateway = await openGateway(() => resolution, {
      listener: { proxyProtocol: { trusted: ['127.0.0.0/8'] } },
    })
    await using client = await RawClient.connect(gateway.port)
    client.send('PROXY TCP4 203.0.113.9 198.51.100.1 4321 25\r\n')
    await client.reply()
    await client.command('EHLO alpha.test')
    await client.envelope()
    await client.command('DATA')
    expect(await client.command('x: y\r\n\r\nx\r\n.')).toMatch(/^250/)
    const [delivered] = await postfix.delivered()
    expect(delivered!.data.toString()).toMatch(/\[203\.0\.113\.9\]\)\n\t\(using TLSv1\.3/)
  })

  test('STARTTLS is offered until it is done, and EHLO is said anew', async () => {
    await using gateway = await openGateway(to(postfix), { listener: ended('negotiated') })
    await using client = await RawClient.connect(gateway.port)
    await client.reply()
    expect(keywords(await client.command('EHLO alpha.test'))).toContain('STARTTLS')
    expect(await client.command('STARTTLS')).toMatch(/^220 /)
    await client.secure({ ca: authority.cert, servername: 'localhost' })
    expect(await client.command('MAIL FROM:<ann@client.test>')).toMatch(/^503 /)
    expect(keywords(await client.command('EHLO alpha.test'))).not.toContain('STARTTLS')
    expect(await client.command('STARTTLS')).toMatch(/^50\d /)
    await client.envelope()
  })

  test('a transaction that was begun before STARTTLS is forgotten', async () => {
    await using gateway = await openGateway(to(postfix), { listener: ended('negotiated') })
    await using client = await RawClient.hello(gateway.port)
    expect(await client.command('MAIL FROM:<early@client.test>')).toMatch(/^250 /)
    expect(await client.command('STARTTLS')).toMatch(/^(220|503) /)
  })

  test('where the gateway ends no TLS, that of the backend is not offered', async () => {
    await using gateway = await openGateway(to(postfix))
    await using client = await RawClient.connect(gateway.port)
    await client.reply()
    expect(keywords(await client.command('EHLO alpha.test'))).not.toContain('STARTTLS')
    expect(await client.command('STARTTLS')).toMatch(/^50\d /)
  })

  test('where TLS is required, mail without it gets 530', async () => {
    await using gateway = await openGateway(to(postfix), { listener: ended('negotiated', { required: true }) })
    await expect(mail(gateway.port)).rejects.toMatchObject({ responseCode: 530 })
    expect((await mail(gateway.port, startTls())).response).toContain('250 ')
    await using client = await RawClient.hello(gateway.port)
    expect(await client.command('MAIL FROM:<ann@client.test>')).toMatch(/^530 5\.7\.0 /)
    expect(await client.command('AUTH PLAIN AGEAYg==')).toMatch(/^530 5\.7\.0 /)
    expect(await client.command('NOOP')).toMatch(/^250 /)
  })

  test.each(['implicit', 'negotiated'] as const)('the server name is the tenant (%s)', async (mode) => {
    const keys: string[] = []
    const resolve = ({ key }: { key: string }): string => {
      keys.push(key)
      return key === 'alpha.test' ? postfix.endpoint : sink.endpoint
    }
    await using gateway = await openGateway(resolve, { protocol: { keys: ['sni'] }, listener: ended(mode) })
    const as = (servername: string) => ({
      ...(mode === 'implicit' ? { secure: true } : { ignoreTLS: false, requireTLS: true }),
      tls: { ca: authority.cert, servername },
    })
    await mail(gateway.port, as('alpha.test'))
    await mail(gateway.port, as('BETA.test'))
    expect(await postfix.delivered()).toHaveLength(1)
    expect(sink.messages).toHaveLength(1)
    expect([...new Set(keys)]).toEqual(['alpha.test', 'beta.test'])
    if (mode === 'negotiated') await expect(mail(gateway.port)).rejects.toMatchObject({ responseCode: 530 })
  })

  test('TLS that is passed through ends at the backend, and its server name is the tenant', async () => {
    const keys: string[] = []
    const resolve = ({ key }: { key: string }): string => {
      keys.push(key)
      return implicit.endpoint
    }
    await using gateway = await openGateway(resolve, { listener: { tls: tls({ mode: 'passthrough' }) } })
    // The certificate is that of the backend.
    await mail(gateway.port, { secure: true, ...verified() })
    expect(keys).toEqual(['localhost'])
    expect(await implicit.delivered()).toHaveLength(1)
  })

  test('client certificates are asked for, verified and told to the resolver', async () => {
    const subjects: (string | undefined)[] = []
    const options = ended('implicit', { ca: authority.cert, requireClientCert: true })
    await using gateway = await openGateway(
      (request) => {
        subjects.push(request.tls?.certificate?.subject)
        return postfix.endpoint
      },
      { listener: options },
    )
    await expect(mail(gateway.port, { secure: true, ...verified() })).rejects.toThrow()
    const { cert, key } = authority.client({ name: 'ann' })
    await mail(gateway.port, { secure: true, tls: { ...verified().tls, cert, key } })
    expect(subjects).toEqual([expect.stringContaining('ann')])
  })

  test('a backend whose certificate is not to be trusted gets no mail, and the client 4xx', async () => {
    const stranger = certificateAuthority('Stranger')
    const resolution = { endpoint: postfix.endpoint, tls: { mode: 'negotiated' as const, ca: stranger.cert } }
    await using gateway = await openGateway(() => resolution)
    await expect(mail(gateway.port)).rejects.toMatchObject({ responseCode: 421 })
    expect(await postfix.delivered()).toHaveLength(0)
    stranger.dispose()
  })

  test('a backend that offers no STARTTLS gets no mail in the clear', async () => {
    await using plain = await smtpSink()
    await using gateway = await openGateway(() => through(plain, 'negotiated'))
    await expect(mail(gateway.port)).rejects.toMatchObject({ responseCode: 421 })
    expect(plain.messages).toEqual([])
  })
})
