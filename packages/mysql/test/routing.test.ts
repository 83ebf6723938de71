import { ResolveError } from '@proxy/kernel'
import {
  certificateAuthority,
  type CertificateAuthority,
  describeNeeding,
  findFreePort,
  type MariadbServer,
  mariadbServer,
} from '@proxy/test-servers'
import { tls } from '@proxy/tls'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { cli, clients, connectMysql2 } from './clients.ts'
import { openGateway, type TestGateway } from './setup.ts'

let alpha: MariadbServer
let beta: MariadbServer
let gateway: TestGateway
let closedPort: number

const resolve = ({ key }: { readonly key: string }): string => {
  if (key === 'alpha' || key === 'älphä') return alpha.endpoint
  if (key === 'beta') return beta.endpoint
  if (key === 'closed') return `127.0.0.1:${closedPort}`
  if (key === 'secret') throw new ResolveError('FORBIDDEN')
  if (key === 'starting') throw new ResolveError('UNAVAILABLE')
  throw new ResolveError('NOT_FOUND')
}

const where = 'select @@port, database(), user()'

describeNeeding(['mariadbd', 'mariadb'], 'routing', () => {
  beforeAll(async () => {
    closedPort = await findFreePort()
    ;[alpha, beta] = await Promise.all([
      mariadbServer({ databases: ['alpha', 'shop', 'älphä'] }),
      mariadbServer({ databases: ['beta', 'shop'] }),
    ])
    gateway = await openGateway(resolve)
  })

  afterAll(async () => {
    await gateway[Symbol.asyncDispose]()
    await Promise.all([alpha.stop(), beta.stop()])
  })

  test('two tenants have different data', async () => {
    for (const server of [alpha, beta]) {
      const [database, text] = [server === alpha ? 'alpha' : 'beta', `of ${server.port}`]
      await cli({ port: gateway.port, database }, `create table t (x varchar(20)); insert into t values ('${text}')`)
      expect((await cli({ port: server.port, database }, 'select x from t')).stdout).toBe(`${text}\n`)
    }
    expect((await cli({ port: gateway.port, database: 'alpha' }, 'select x from t')).stdout).toBe(`of ${alpha.port}\n`)
    expect((await cli({ port: gateway.port, database: 'beta' }, 'select x from t')).stdout).toBe(`of ${beta.port}\n`)
  })

  describe.each(Object.entries(clients))('%s', (_, ask) => {
    test('is routed by database', async () => {
      const { row } = await ask({ port: gateway.port, database: 'beta' }, where)
      expect(row?.map(String)).toEqual([String(beta.port), 'beta', 'demo@127.0.0.1'])
    })

    test('is routed by a database whose name is not ASCII', async () => {
      expect((await ask({ port: gateway.port, database: 'älphä' }, where)).row?.[1]).toBe('älphä')
    })

    test('is routed by user, into no database', async () => {
      const { row } = await ask(
        { port: gateway.port, user: 'alpha.demo' },
        `select @@port, ifnull(database(), 'none'), user()`,
      )
      expect(row?.map(String)).toEqual([String(alpha.port), 'none', 'demo@127.0.0.1'])
    })

    test.each([
      ['nowhere', 1049, 'no such tenant'],
      ['secret', 1045, 'access to the tenant is denied'],
      ['starting', 1105, 'the tenant is unavailable'],
      ['closed', 1105, 'backend'],
      [undefined, 1046, 'No database selected'],
    ])('shows why %s is refused', async (database, code, message) => {
      const outcome = await ask({ port: gateway.port, database }, where)
      expect(outcome).toMatchObject({ code, message: expect.stringContaining(message) as string })
      expect(outcome.message).not.toContain(String(closedPort))
      expect(outcome.message).not.toContain('127.0.0.1')
    })

    test('gets the errors of the backend as they are', async () => {
      const wrong = await ask({ port: gateway.port, database: 'alpha', password: 'wrong' }, where)
      expect(wrong).toEqual({ code: 1045, message: `Access denied for user 'demo'@'127.0.0.1' (using password: YES)` })
    })
  })

  test('the CLI prints number and state', async () => {
    expect((await cli({ port: gateway.port, database: 'nowhere' }, where)).stderr).toContain('ERROR 1049 (42000): ')
    expect((await cli({ port: gateway.port }, where)).stderr).toContain('ERROR 1046 (3D000): No database selected')
    expect((await cli({ port: gateway.port, database: 'closed' }, where)).stderr).toMatch(/ERROR \d+ \(08S01\): /)
  })

  test('by user, into another database of the tenant; a database that it has not is 1049 of the backend', async () => {
    await using byUser = await openGateway(resolve, { protocol: { keys: ['user', 'database'] } })
    const login = { port: byUser.port, user: 'beta.demo' }
    const { row } = await clients.mysql2({ ...login, database: 'shop' }, where)
    expect(row).toEqual([beta.port, 'shop', 'demo@127.0.0.1'])
    const missing = await clients.mysql2({ ...login, database: 'nope' }, where)
    expect(missing).toEqual({ code: 1049, message: `Unknown database 'nope'` })
  })

  test('by user, at the end of the name and with another separator', async () => {
    const protocol = { keys: ['user'], userPart: 'suffix', userSeparator: '--' } as const
    await using byUser = await openGateway(resolve, { protocol })
    expect((await clients.cli({ port: byUser.port, user: 'demo--alpha' }, where)).row?.[0]).toBe(String(alpha.port))
  })

  test('by default', async () => {
    await using byDefault = await openGateway(resolve, { protocol: { defaultKey: 'beta' } })
    expect((await clients.cli({ port: byDefault.port }, where)).row?.[0]).toBe(String(beta.port))
    expect((await clients.cli({ port: byDefault.port, database: 'alpha' }, where)).row?.[0]).toBe(String(alpha.port))
  })

  test('a rewritten login', async () => {
    const protocol = { rewrite: () => ({ user: 'demo', database: 'shop' }) }
    await using rewriting = await openGateway(resolve, { protocol })
    const { row } = await clients.mysql2({ port: rewriting.port, user: 'app', database: 'alpha' }, where)
    expect(row).toEqual([alpha.port, 'shop', 'demo@127.0.0.1'])
  })

  test('the version that is greeted with', async () => {
    const versioned = await openGateway(resolve, { protocol: { serverVersion: '5.5.5-10.11.4-MariaDB' } })
    const connection = await connectMysql2({ port: versioned.port, database: 'alpha' })
    const handshake = (connection as unknown as { connection: { _handshakePacket: { serverVersion: string } } })
      .connection
    expect(handshake._handshakePacket.serverVersion).toBe('5.5.5-10.11.4-MariaDB')
    await connection.end()
    await versioned[Symbol.asyncDispose]()
  })

  test('USE and COM_INIT_DB stay on the backend', async () => {
    const sql = 'use shop; select @@port, database()'
    expect((await cli({ port: gateway.port, database: 'beta' }, sql)).stdout).toBe(`${beta.port}\tshop\n`)
    const connection = await connectMysql2({ port: gateway.port, database: 'alpha' })
    await expect(connection.query('use beta')).rejects.toMatchObject({ errno: 1049 })
    await connection.query('use shop')
    expect((await connection.query('select @@port as p, database() as d'))[0]).toEqual([{ p: alpha.port, d: 'shop' }])
    await connection.end()
  })
})

describeNeeding(['mariadbd', 'openssl'], 'routing by server name', () => {
  let authority: CertificateAuthority

  beforeAll(async () => {
    authority = certificateAuthority()
    ;[alpha, beta] = await Promise.all([mariadbServer({ databases: ['alpha', 'shop'] }), mariadbServer()])
  })

  afterAll(async () => {
    await Promise.all([alpha.stop(), beta.stop()])
    authority.dispose()
  })

  test.each([
    ['alpha.db.test', 'shop', 'shop'],
    ['beta.db.test', undefined, null],
  ])('%s', async (host, database, inside) => {
    const certificate = authority.server({ name: 'x', altNames: ['*.db.test'] })
    await using bySni = await openGateway(resolve, {
      listener: { tls: tls({ mode: 'negotiated', certificates: [certificate] }) },
      protocol: { keys: ['sni', 'database'], sniDomain: 'db.test' },
    })
    const { connect } = await import('node:net')
    const connection = await connectMysql2(
      { port: bySni.port, database },
      { host, stream: connect(bySni.port, '127.0.0.1'), ssl: { ca: authority.cert, verifyIdentity: true } },
    )
    const { port } = host === 'alpha.db.test' ? alpha : beta
    expect((await connection.query('select @@port as p, database() as d'))[0]).toEqual([{ p: port, d: inside }])
    await connection.end()
  })
})
