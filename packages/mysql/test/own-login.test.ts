import type { Metadata } from '@proxy/kernel'
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
import { openGateway } from './setup.ts'

let authority: CertificateAuthority
let mariadb: MariadbServer
let sha2: MysqlSha2Server

/** What the gateway logs in with; clients know `guest` and `sesame`. */
const secret = { clientUser: 'guest', clientPassword: 'sesame' }

const guest = { user: 'guest', password: 'sesame' }

describeNeeding(['mariadbd', 'mariadb', 'openssl'], 'logins of the gateway’s own', () => {
  beforeAll(async () => {
    authority = certificateAuthority()
    const certificate = authority.server({ name: 'localhost' })
    ;[mariadb, sha2] = await Promise.all([
      mariadbServer({ databases: ['alpha', 'beta'], tls: certificate }),
      mysqlSha2Server({
        tls: certificate,
        users: [
          { name: 'sha2', password: 'pass' },
          { name: 'sha256', password: 'pass', plugin: 'sha256_password' },
          { name: 'none', password: '' },
        ],
      }),
    ])
  })

  afterAll(async () => {
    await Promise.all([mariadb.stop(), sha2.stop()])
    authority.dispose()
  })

  const gatewayFor = (server: MariadbServer | MysqlSha2Server, metadata: Metadata, backend: 'TLS' | 'plain') =>
    openGateway(
      () => ({
        endpoint: server.endpoint,
        metadata,
        tls: backend === 'plain' ? 'off' : { mode: 'negotiated', ca: authority.cert, serverName: 'localhost' },
      }),
      { listener: { tls: tls({ mode: 'negotiated', certificates: [authority.server({ name: 'localhost' })] }) } },
    )

  describe.each(['plain', 'TLS'] as const)('to a backend with %s', (backend) => {
    test.each([
      ['sha2', 'pass', { plain: 'rsa', TLS: 'clear' }],
      ['sha256', 'pass', { plain: 'rsa', TLS: 'clear' }],
      ['none', '', { plain: 'empty', TLS: 'empty' }],
    ])('as %s', async (user, password, shown) => {
      sha2.flush()
      await using gateway = await gatewayFor(sha2, { user, password, ...secret }, backend)
      for (const encrypted of [false, true]) {
        for (const [name, ask] of Object.entries(clients)) {
          const login = { port: gateway.port, database: 'alpha', tls: encrypted }
          sha2.flush()
          const { row } = await ask({ ...login, ...guest }, 'select 1')
          expect(row, name).toEqual([user, 'alpha', backend === 'TLS' ? 'yes' : 'no', shown[backend]])
          const denied = await ask({ ...login, ...guest, password: 'pass' }, 'select 1')
          expect(denied, name).toMatchObject({ code: 1045 })
          const other = await ask({ ...login, user, password }, 'select 1')
          expect(other, name).toMatchObject({ code: 1045 })
        }
      }
    })
  })

  test('the credentials of a backend are not the client’s business', async () => {
    await using gateway = await gatewayFor(mariadb, { user: 'demo', password: 'outdated', ...secret }, 'plain')
    const { stderr } = await cli({ port: gateway.port, database: 'alpha', ...guest }, 'select 1')
    expect(stderr).toMatch(/ERROR \d+ \(08S01\): the backend does not take the gateway's credentials/)
    expect(stderr).not.toContain('demo')
  })

  describe('with a route by the first database chosen', () => {
    const open = () =>
      openGateway(
        ({ key }) => ({
          endpoint: mariadb.endpoint,
          id: key,
          metadata: { user: 'demo', password: 'demo', clientUser: `of ${key}`, clientPassword: key },
        }),
        { protocol: { routeByInitDb: true } },
      )

    test('each database has its own credentials', async () => {
      await using gateway = await open()
      for (const database of ['alpha', 'beta']) {
        const connection = await connectMysql2({ port: gateway.port, user: `of ${database}`, password: database })
        await connection.ping()
        await connection.query(`use ${database}`)
        const [rows] = await connection.query(`select database() as d, substring_index(user(), '@', 1) as u`)
        expect(rows).toEqual([{ d: database, u: 'demo' }])
        await connection.end()
      }
    })

    test('a password of another tenant’s opens nothing', async () => {
      await using gateway = await open()
      const connection = await connectMysql2({ port: gateway.port, user: 'of alpha', password: 'alpha' })
      connection.on('error', () => undefined)
      await expect(connection.query('select 1')).rejects.toMatchObject({ errno: 1046 })
      await expect(connection.query('use beta')).rejects.toMatchObject({ errno: 1045 })
      connection.destroy()
    })

    test('mariadb-dump and the CLI', async () => {
      await using gateway = await open()
      const login = { port: gateway.port, user: 'of beta', password: 'beta' }
      expect((await cli(login, 'use beta; select database()')).stdout).toBe('beta\n')
    })
  })
})
