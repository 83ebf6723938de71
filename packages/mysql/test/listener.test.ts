import { once } from 'node:events'
import net from 'node:net'
import {
  type CertificateAuthority,
  certificateAuthority,
  describeNeeding,
  type MariadbServer,
  mariadbServer,
  type MysqlSha2Server,
  mysqlSha2Server,
} from '@proxy/test-servers'
import { tls } from '@proxy/tls'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { cli, clients, connectMysql2 } from './clients.ts'
import { asRoot, tap } from './raw.ts'
import { openGateway, to } from './setup.ts'

let authority: CertificateAuthority
let server: MariadbServer
let sha2: MysqlSha2Server

const secure = `select if(variable_value = '', 'no', 'yes') from information_schema.session_status where variable_name = 'Ssl_version'`

describeNeeding(['mariadbd', 'mariadb', 'openssl'], 'listeners', () => {
  beforeAll(async () => {
    authority = certificateAuthority()
    ;[server, sha2] = await Promise.all([
      mariadbServer({
        databases: ['alpha'],
        tls: authority.server({ name: 'localhost' }),
        settings: ['--proxy-protocol-networks=127.0.0.1'],
      }),
      mysqlSha2Server({ users: [{ name: 'demo', password: 'demo' }], tls: authority.server({ name: 'localhost' }) }),
    ])
    await asRoot(
      server.port,
      `create user remote@'203.0.113.9' identified by 'demo'; grant all on *.* to remote@'203.0.113.9'`,
    )
  })

  afterAll(async () => {
    await Promise.all([server.stop(), sha2.stop()])
    authority.dispose()
  })

  const certificates = () => [authority.server({ name: 'localhost' })]

  test('one connection too many is 1040, and a place that is free again is taken', async () => {
    await using gateway = await openGateway(to(server), { listener: { limits: { maxConnections: 1 } } })
    const login = { port: gateway.port, database: 'alpha' }
    const first = await connectMysql2(login)
    for (const [name, ask] of Object.entries(clients)) {
      expect(await ask(login, 'select 1'), name).toMatchObject({ code: 1040 })
    }
    const ended = new Promise<void>((resolve) =>
      gateway.gateway.hooks.on('session:end', ({ outcome }) => void (outcome === 'relayed' && resolve())),
    )
    await first.end()
    await ended
    expect(await clients.mysql2(login, 'select 1')).toEqual({ row: [1] })
  })

  describe('the PROXY protocol', () => {
    test.each([1, 2] as const)(
      'towards the backend, version %d: it knows the client’s address',
      async (proxyProtocol) => {
        await using gateway = await openGateway(() => ({ endpoint: server.endpoint, proxyProtocol }), {
          listener: { proxyProtocol: { trusted: ['127.0.0.1'] } },
        })
        const socket = net.connect(gateway.port, '127.0.0.1')
        await once(socket, 'connect')
        socket.write('PROXY TCP4 203.0.113.9 127.0.0.1 50000 3306\r\n')
        const connection = await connectMysql2(
          { port: gateway.port, user: 'remote', database: 'alpha' },
          { stream: socket },
        )
        expect((await connection.query('select user() as u'))[0]).toEqual([{ u: 'remote@203.0.113.9' }])
        await connection.end()
      },
    )
  })

  describe('a client with TLS and a resolution that says nothing of it', () => {
    test('has TLS to the backend where that offers it', async () => {
      await using gateway = await openGateway(to(server), {
        listener: { tls: tls({ mode: 'negotiated', certificates: certificates() }) },
      })
      const login = { port: gateway.port, database: 'alpha' }
      expect((await cli({ ...login, tls: true }, secure)).stdout).toBe('yes\n')
      expect((await cli(login, secure)).stdout).toBe('no\n')
    })

    test('goes on without where it does not, as far as its plugin can', async () => {
      const plain = await mysqlSha2Server({ users: [{ name: 'demo', password: 'demo' }] })
      await using tapped = await tap(plain.port)
      await using gateway = await openGateway(() => tapped.endpoint, {
        listener: { tls: tls({ mode: 'negotiated', certificates: certificates() }) },
      })
      const login = { port: gateway.port, database: 'alpha', tls: true }
      expect(await clients.mysql2(login, 'select 1')).toMatchObject({ code: 1251 })
      expect(await clients.mysql2({ ...login, port: plain.port, tls: false }, 'select 1')).toHaveProperty('row')
      expect((await clients.mysql2(login, 'select 1')).row?.at(-1)).toBe('fast')
      // The user's name is there, once a login; the password is its equal and never readable.
      const logins = tapped.sent.map((parts) => Buffer.concat(parts).toString('latin1').split('demo').length - 1)
      expect(Math.max(...logins)).toBe(1)
      await plain.stop()
    })
  })

  describe.each(['mysql_native_password', 'caching_sha2_password'] as const)('greeting with %s', (authPlugin) => {
    test.each(Object.entries(clients))('%s', async (_, ask) => {
      await using gateway = await openGateway(({ key }) => (key === 'alpha' ? server.endpoint : sha2.endpoint), {
        protocol: { authPlugin },
      })
      const login = { port: gateway.port }
      expect(await ask({ ...login, database: 'alpha' }, `select 'in'`)).toEqual({ row: ['in'] })
      expect(await ask({ ...login, database: 'alpha', password: 'wrong' }, `select 'in'`)).toMatchObject({ code: 1045 })
      sha2.flush()
      expect((await ask({ ...login, database: 'sha2' }, 'select 1')).row?.at(-1)).toBe('rsa')
      expect((await ask({ ...login, database: 'sha2' }, 'select 1')).row?.at(-1)).toBe('fast')
      expect(await ask({ ...login, database: 'sha2', password: 'wrong' }, 'select 1')).toMatchObject({ code: 1045 })
    })
  })

  describe('features that are offered on request', () => {
    const features = ['deprecateEof', 'sessionTrack'] as const

    test('work with backends that have them', async () => {
      await using gateway = await openGateway(to(server), { protocol: { features } })
      const login = { port: gateway.port, database: 'alpha' }
      for (const [name, ask] of Object.entries(clients)) {
        expect(await ask(login, `select 'one' union all select 'two'`), name).toEqual({ row: ['one'] })
      }
      const connection = await connectMysql2(login)
      for (let i = 0; i < 3; i++) expect((await connection.execute('select ? as n', [i]))[0]).toHaveLength(1)
      await connection.query('set names utf8mb4')
      await connection.query('use mysql')
      await connection.end()
    })

    test('are an error with backends that have not', async () => {
      await using gateway = await openGateway(to(sha2), { protocol: { features: ['deprecateEof'] } })
      const login = { port: gateway.port, database: 'alpha' }
      const outcome = await clients.mariadb(login, 'select 1')
      expect(outcome).toMatchObject({ message: expect.stringContaining('deprecateEof') as string })
      // These do without.
      expect(await clients.mysql2(login, 'select 1')).toHaveProperty('row')
      expect(await clients.cli(login, 'select 1')).toHaveProperty('row')
    })

    test('and idle sessions are still told of a drain', async () => {
      await using gateway = await openGateway(to(server), { protocol: { features } })
      const connection = await connectMysql2({ port: gateway.port, database: 'alpha' })
      await connection.query('select 1')
      const ended = once(connection, 'error')
      await gateway.gateway.drain()
      expect((await ended)[0]).toMatchObject({ code: 1053 })
    })
  })
})
