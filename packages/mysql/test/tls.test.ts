import { once } from 'node:events'
import net from 'node:net'
import nodeTls from 'node:tls'
import type { ListenerTls } from '@proxy/kernel'
import {
  type CertificateAuthority,
  certificateAuthority,
  describeNeeding,
  type Leaf,
  type MariadbServer,
  mariadbServer,
} from '@proxy/test-servers'
import { tls } from '@proxy/tls'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { cli, connectMariadb, connectMysql2 } from './clients.ts'
import { errorOf, exchange, loginPacket, packet, packetsOf, sslRequest, tap } from './raw.ts'
import { openGateway, to } from './setup.ts'

let authority: CertificateAuthority
let certificate: Leaf
let server: MariadbServer
/** Takes no TLS. */
let plain: MariadbServer

const negotiated = (more: Partial<Parameters<typeof tls>[0]> = {}): ListenerTls =>
  tls({ mode: 'negotiated', certificates: [certificate], ...more })

const secured = () => ({
  endpoint: server.endpoint,
  tls: { mode: 'negotiated', ca: authority.cert, serverName: 'localhost' } as const,
})

const version = `select variable_value from information_schema.session_status where variable_name = 'Ssl_version'`

describeNeeding(['mariadbd', 'mariadb', 'openssl'], 'TLS', () => {
  beforeAll(async () => {
    authority = certificateAuthority()
    certificate = authority.server({ name: 'localhost' })
    const users = [
      { name: 'demo', password: 'demo' },
      { name: 'strict', password: 'demo', attributes: 'REQUIRE SSL' },
      { name: 'shown', password: 'demo', attributes: 'REQUIRE X509' },
    ]
    ;[server, plain] = await Promise.all([
      mariadbServer({
        databases: ['alpha'],
        users,
        tls: { ...authority.server({ name: 'localhost' }), clientCa: authority.cert },
      }),
      mariadbServer({ databases: ['alpha'] }),
    ])
  })

  afterAll(async () => {
    await Promise.all([server.stop(), plain.stop()])
    authority.dispose()
  })

  const trusting = (): string[] => [`--ssl-ca=${authority.certFile}`, '--ssl-verify-server-cert']

  describe('at the client', () => {
    test('the certificate is verified by the CLI and the drivers', async () => {
      await using gateway = await openGateway(to(plain), { listener: { tls: negotiated() } })
      const login = { port: gateway.port, database: 'alpha', tls: true }
      expect(await cli(login, 'select 1', ...trusting())).toMatchObject({ stdout: '1\n' })
      const ssl = { ca: authority.cert, rejectUnauthorized: true }
      const [one, two] = await Promise.all([connectMysql2(login, { ssl }), connectMariadb(login, { ssl })])
      expect((await one.query('select 1 as one'))[0]).toEqual([{ one: 1 }])
      expect(await two.query('select 1 as one')).toEqual([{ one: 1 }])
      await Promise.all([one.end(), two.end()])
    })

    test('one that is not trusted is refused by the client', async () => {
      const strangers = certificateAuthority('Strangers')
      await using gateway = await openGateway(to(plain), { listener: { tls: negotiated() } })
      const args = [`--ssl-ca=${strangers.certFile}`, '--ssl-verify-server-cert']
      const { stderr } = await cli({ port: gateway.port, database: 'alpha', tls: true }, 'select 1', ...args)
      expect(stderr).toContain('ERROR 2026')
      strangers.dispose()
    })

    test('a listener that requires it says so, and another offers it', async () => {
      await using gateway = await openGateway(to(plain), { listener: { tls: negotiated({ required: true }) } })
      const login = { port: gateway.port, database: 'alpha' }
      expect(await cli({ ...login, tls: true }, 'select 1')).toMatchObject({ stdout: '1\n' })
      const { stderr } = await cli(login, 'select 1')
      expect(stderr).toContain('ERROR 3159 (HY000): ')
      expect(stderr).toContain('TLS')
    })

    test('a listener without TLS does not offer it', async () => {
      await using gateway = await openGateway(to(plain))
      const { stderr } = await cli({ port: gateway.port, database: 'alpha', tls: true }, 'select 1', ...trusting())
      expect(stderr).toContain('ERROR 2026')
    })

    test('client certificates are accepted and refused', async () => {
      const strangers = certificateAuthority('Strangers')
      const listener = { tls: negotiated({ ca: authority.cert, requireClientCert: true }) }
      await using gateway = await openGateway(to(plain), { listener })
      const login = { port: gateway.port, database: 'alpha', tls: true }
      const shown = ({ certFile, keyFile }: Leaf) =>
        cli(login, 'select 1', `--ssl-cert=${certFile}`, `--ssl-key=${keyFile}`)
      expect(await shown(authority.client({ name: 'demo' }))).toMatchObject({ stdout: '1\n' })
      expect(await shown(strangers.client({ name: 'demo' }))).toMatchObject({ code: 1 })
      expect(await cli(login, 'select 1')).toMatchObject({ code: 1 })
      strangers.dispose()
    })

    test('TLS from the first byte', async () => {
      await using gateway = await openGateway(to(plain), {
        listener: { tls: tls({ mode: 'implicit', certificates: [certificate] }) },
      })
      const socket = nodeTls.connect({
        port: gateway.port,
        host: '127.0.0.1',
        ca: authority.cert,
        servername: 'localhost',
      })
      await once(socket, 'secureConnect')
      const connection = await connectMysql2({ port: gateway.port, database: 'alpha' }, { stream: socket })
      expect((await connection.query('select 1 as one'))[0]).toEqual([{ one: 1 }])
      await connection.end()
    })

    test.each([
      ['a login', () => loginPacket({ database: 'alpha' }, 2)],
      ['a command', () => packet(0, Buffer.from('\x03drop database alpha'))],
      ['half a packet', () => Buffer.from([1])],
    ])('bytes behind the request for TLS are never read in clear: %s', async (_, injected) => {
      let routed = false
      const resolver = () => {
        routed = true
        return plain.endpoint
      }
      await using gateway = await openGateway(resolver, { listener: { tls: negotiated() } })
      const answer = await exchange(gateway.port, Buffer.concat([sslRequest, injected()]))
      expect(packetsOf(answer)[0]?.payload[0]).toBe(10)
      expect(routed).toBe(false)
      // What came before the handshake is taken for the handshake, and is none.
      expect(answer.includes('drop')).toBe(false)
    })

    test('a login in clear behind a handshake is what counts, not the one before it', async () => {
      await using gateway = await openGateway(({ key }) => (key === 'alpha' ? plain.endpoint : '127.0.0.1:1'), {
        listener: { tls: negotiated() },
      })
      const socket = net.connect(gateway.port, '127.0.0.1')
      await once(socket, 'data')
      socket.write(sslRequest)
      const secure = nodeTls.connect({ socket, ca: authority.cert, servername: 'localhost' })
      await once(secure, 'secureConnect')
      secure.write(loginPacket({ database: 'alpha', with: 2 ** 11 }, 2))
      const [answer] = (await once(secure, 'data')) as [Buffer]
      expect(answer[3]).toBe(3)
      secure.destroy()
    })

    test('a TLS handshake that stalls is ended by the deadline', async () => {
      const limits = { handshakeTimeoutMs: 300 }
      await using gateway = await openGateway(to(plain), { listener: { tls: negotiated(), limits } })
      const answer = await exchange(gateway.port, sslRequest)
      expect(errorOf(answer)).toMatchObject({ error: '1159 08S01', sequence: 2 })
    })
  })

  describe('towards the backend', () => {
    test('a session has it, and accounts that demand it are content', async () => {
      await using gateway = await openGateway(secured)
      const login = { port: gateway.port, database: 'alpha' }
      expect((await cli(login, version)).stdout).toBe('TLSv1.3\n')
      expect((await cli({ ...login, user: 'strict' }, version)).stdout).toBe('TLSv1.3\n')
    })

    test('without it they are not', async () => {
      await using gateway = await openGateway(to(server))
      const login = { port: gateway.port, database: 'alpha' }
      expect((await cli(login, version)).stdout).toBe('\n')
      expect((await cli({ ...login, user: 'strict' }, version)).stderr).toContain('ERROR 1045')
    })

    test('the gateway’s own certificate is shown to it', async () => {
      const { cert, key } = authority.client({ name: 'gateway' })
      await using gateway = await openGateway(() => ({ ...secured(), tls: { ...secured().tls, cert, key } }))
      await using without = await openGateway(secured)
      const login = { database: 'alpha', user: 'shown' }
      expect((await cli({ ...login, port: gateway.port }, version)).stdout).toBe('TLSv1.3\n')
      expect((await cli({ ...login, port: without.port }, version)).stderr).toContain('ERROR 1045')
    })

    test('a backend that does not offer it is an error, and is not told who logs in', async () => {
      await using tapped = await tap(plain.port)
      await using gateway = await openGateway(() => ({ endpoint: tapped.endpoint, tls: 'negotiated' }))
      const { stderr } = await cli({ port: gateway.port, database: 'alpha' }, 'select 1')
      expect(stderr).toMatch(/ERROR \d+ \(08S01\): .*TLS/)
      expect(Buffer.concat(tapped.sent.flat()).includes('demo')).toBe(false)
    })

    test('a certificate that is not trusted is refused, and no address is told', async () => {
      await using gateway = await openGateway(() => ({ endpoint: server.endpoint, tls: 'negotiated' }))
      const { stderr } = await cli({ port: gateway.port, database: 'alpha' }, 'select 1')
      expect(stderr).toMatch(/ERROR \d+ \(08S01\): .*TLS/)
      expect(stderr).not.toContain(String(server.port))
    })

    test('nothing of a login is readable on the way', async () => {
      await using tapped = await tap(server.port)
      await using gateway = await openGateway(() => ({ ...secured(), endpoint: tapped.endpoint }))
      expect((await cli({ port: gateway.port, database: 'alpha' }, 'select 1')).stdout).toBe('1\n')
      const sent = Buffer.concat(tapped.sent.flat())
      expect(sent.includes('demo')).toBe(false)
      expect(sent.includes('alpha')).toBe(false)
    })
  })
})

test('an error from before the login has its place in the sequence', async () => {
  await using gateway = await openGateway(() => '127.0.0.1:1')
  const answer = await exchange(gateway.port, loginPacket({ without: 2 ** 19 }))
  expect(errorOf(answer)).toMatchObject({ error: '1251 08004', sequence: 2 })
})
