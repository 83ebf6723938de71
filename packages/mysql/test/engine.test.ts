import { certificateAuthority, describeNeeding, type MysqlEngine, mysqlEngine } from '@proxy/test-servers'
import type mysql2 from 'mysql2/promise'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { cli, connectMariadb, connectMysql2 } from './clients.ts'
import { openGateway, type TestGateway, to } from './setup.ts'

let engine: MysqlEngine
let gateway: TestGateway

const alpha = () => ({ port: gateway.port, database: 'alpha' })

/** A server of another make says many things in another way than MariaDB: its capabilities, its errors, its OK packets. */
describeNeeding(['mysql-engine', 'mariadb', 'openssl'], 'an engine of another make', () => {
  beforeAll(async () => {
    const authority = certificateAuthority()
    const tls = authority.server({ name: 'localhost' })
    engine = await mysqlEngine({ databases: ['alpha', 'beta'], users: [{ name: 'demo', password: 'demo' }], tls })
    gateway = await openGateway(
      () => ({ endpoint: engine.endpoint, tls: { mode: 'negotiated', ca: authority.cert } }),
      {
        protocol: { passwordBridge: 'allow' },
      },
    )
    authority.dispose()
  })

  afterAll(async () => {
    await gateway[Symbol.asyncDispose]()
    await engine.stop()
  })

  test('queries, prepared statements, errors', async () => {
    const connection = await connectMysql2(alpha())
    await connection.query('create table t (id int primary key, name varchar(100))')
    const names = Array.from({ length: 500 }, (_, i) => [i, `name ${i}`])
    await connection.query('insert into t values ?', [names])
    for (const id of [1, 2, 3]) {
      expect((await connection.execute('select name from t where id = ?', [id]))[0]).toEqual([{ name: `name ${id}` }])
    }
    await expect(connection.query('select * from nope')).rejects.toMatchObject({ errno: 1146 })
    await connection.end()
    const other = await connectMariadb(alpha())
    expect(await other.query('select count(*) as n, max(name) as m from t')).toMatchObject([{ m: 'name 99' }])
    await other.end()
    expect((await cli(alpha(), 'select count(*) from t')).stdout).toBe('500\n')
  })

  test('an unknown database is its own 1049', async () => {
    expect((await cli({ port: gateway.port, database: 'nowhere' }, 'select 1')).stderr).toContain('ERROR 1049')
  })

  test('KILL QUERY by the id of the greeting', async () => {
    const connection = await connectMysql2(alpha())
    const query = connection.query('select sleep(60)').catch((error: unknown) => error)
    const killer = await connectMysql2(alpha())
    await untilSleeping(killer)
    await killer.query(`kill query ${(connection as unknown as { threadId: number }).threadId}`)
    expect(await query).toBeInstanceOf(Error)
    await killer.end()
    connection.destroy()
  })

  test('a drain ends its idle sessions', async () => {
    await using other = await openGateway(to(engine))
    // It is in the engine's cache by now.
    const connection = await connectMysql2({ port: other.port, database: 'alpha' })
    await connection.query('select 1')
    const ended = new Promise((resolve) => connection.on('error', resolve))
    await other.gateway.drain()
    expect(await ended).toMatchObject({ code: 1053 })
  })
})

async function untilSleeping(connection: mysql2.Connection): Promise<void> {
  for (;;) {
    const [rows] = await connection.query('show processlist')
    if ((rows as { Info: string | null }[]).some(({ Info }) => Info?.includes('sleep(60)'))) return
  }
}
