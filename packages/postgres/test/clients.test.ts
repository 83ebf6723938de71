import { once } from 'node:events'
import { ResolveError } from '@proxy/kernel'
import { describeNeeding, type PostgresServer, postgresServer, run } from '@proxy/test-servers'
import pg from 'pg'
import postgresJs from 'postgres'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { at, openGateway, psql, type TestGateway } from './setup.ts'

let alpha: PostgresServer
let beta: PostgresServer
let gateway: TestGateway

beforeAll(async () => {
  ;[alpha, beta] = await Promise.all([
    postgresServer({
      databases: ['alpha', 'shop'],
      users: [
        { name: 'demo', password: 'demo' },
        { name: 'copier', password: 'demo', attributes: 'REPLICATION' },
      ],
    }),
    postgresServer({ databases: ['beta', 'shop'] }),
  ])
  gateway = await openGateway(({ key }) => {
    if (key === 'alpha') return alpha.endpoint
    if (key === 'beta') return beta.endpoint
    if (key === 'secret') throw new ResolveError('FORBIDDEN')
    if (key === 'starting') throw new ResolveError('UNAVAILABLE')
    throw new ResolveError('NOT_FOUND')
  })
})

afterAll(async () => {
  await gateway[Symbol.asyncDispose]()
  await Promise.all([alpha.stop(), beta.stop()])
})

const serverPort = 'select inet_server_port()'

describeNeeding(['psql'], 'psql', () => {
  test('is routed by database', async () => {
    expect((await psql(at(gateway.port, 'dbname=alpha'), serverPort)).stdout.trim()).toBe(String(alpha.port))
    expect((await psql(at(gateway.port, 'dbname=beta'), serverPort)).stdout.trim()).toBe(String(beta.port))
  })

  test('is routed by the connection options, into another database', async () => {
    const { stdout } = await psql(
      at(gateway.port, `dbname=shop options='-c tenant=beta -c work_mem=5MB'`),
      `select inet_server_port(), current_database(), current_setting('work_mem')`,
    )
    expect(stdout.trim()).toBe(`${beta.port}|shop|5MB`)
  })

  test.each([
    ['nowhere', 'no such tenant', 'Check the name of the database'],
    ['secret', 'access to the tenant is denied', ''],
    ['starting', 'the tenant is unavailable', 'try again'],
  ])('shows why %s is refused', async (database, message, hint) => {
    const { code, stderr } = await psql(at(gateway.port, `dbname=${database}`), 'select 1')
    expect(code).toBe(2)
    expect(stderr).toContain(`FATAL:  ${message}`)
    expect(stderr).toContain(hint)
  })

  test('gets the errors of the backend as they are', async () => {
    const wrong = await psql(at(gateway.port, 'dbname=alpha password=wrong'), 'select 1')
    expect(wrong.stderr).toContain('FATAL:  password authentication failed for user "demo"')
    const missing = await psql(at(gateway.port, `dbname=nope options='-c tenant=alpha'`), 'select 1')
    expect(missing.stderr).toContain('FATAL:  database "nope" does not exist')
  })

  test.each([
    ['logically', 'dbname=alpha replication=database', 'alpha'],
    // Names no database: as pg_basebackup does, who has to name the tenant in another way.
    ['physically', `dbname=replication replication=true options='-c tenant=alpha'`, ''],
  ])('replicates %s', async (_, more, database) => {
    const { stdout } = await psql(`host=127.0.0.1 port=${gateway.port} user=copier ${more}`, 'IDENTIFY_SYSTEM')
    expect(stdout.trim().split('|')[3]).toBe(database)
  })
})

test('the SQLSTATE of a refusal', async () => {
  const client = new pg.Client({ host: '127.0.0.1', port: gateway.port, user: 'demo', database: 'nowhere' })
  await expect(client.connect()).rejects.toMatchObject({ code: '3D000', severity: 'FATAL' })
})

describe('pg', () => {
  test('queries, prepared statements, transactions', async () => {
    const client = new pg.Client(alpha.url('alpha', { port: gateway.port }))
    await client.connect()
    expect((await client.query('select $1::int * 2 as n', [21])).rows).toEqual([{ n: 42 }])
    for (const id of [1, 2, 3]) {
      const { rows } = await client.query({ name: 'double', text: 'select $1::int * 2 as n', values: [id] })
      expect(rows).toEqual([{ n: id * 2 }])
    }
    await client.query('begin; create table t(i int); insert into t select generate_series(1, 1000)')
    expect((await client.query('select count(*)::int as n from t')).rows).toEqual([{ n: 1000 }])
    await client.query('rollback')
    await expect(client.query('select * from t')).rejects.toMatchObject({ code: '42P01' })
    await client.end()
  })

  test('names the tenant in the options of its URL', async () => {
    const client = new pg.Client(`${beta.url('shop', { port: gateway.port })}?options=-c%20tenant%3Dbeta`)
    await client.connect()
    expect((await client.query('select inet_server_port() as port')).rows).toEqual([{ port: beta.port }])
    await client.end()
  })

  test('LISTEN and NOTIFY', async () => {
    const [listener, sender] = [1, 2].map(() => new pg.Client(alpha.url('alpha', { port: gateway.port })))
    await Promise.all([listener!.connect(), sender!.connect()])
    await listener!.query('listen news')
    const heard = once(listener!, 'notification')
    await sender!.query(`notify news, 'hello'`)
    expect((await heard)[0]).toMatchObject({ channel: 'news', payload: 'hello' })
    await Promise.all([listener!.end(), sender!.end()])
  })
})

test('postgres.js names the tenant in its connection options', async () => {
  const url = beta.url('shop', { port: gateway.port })
  const sql = postgresJs(url, { max: 1, connection: { options: '-c tenant=beta' } })
  expect([...(await sql`select inet_server_port() as port`)]).toEqual([{ port: beta.port }])
  await sql.end()
})

test('postgres.js pipelines its queries', async () => {
  const sql = postgresJs(alpha.url('alpha', { port: gateway.port }), { max: 1, onnotice: () => undefined })
  const numbers = Array.from({ length: 200 }, (_, i) => i)
  const answers = await Promise.all(numbers.map((n) => sql<{ n: number }[]>`select ${n}::int as n`))
  expect(answers.map(([row]) => row?.n)).toEqual(numbers)
  await sql.end()
})

describeNeeding(['pgbench'], 'pgbench', () => {
  const connection = ['-h', '127.0.0.1', '-U', 'demo']
  const bench = (args: string[], input?: string) =>
    run('pgbench', ['-n', ...connection, '-p', String(gateway.port), ...args, 'alpha'], {
      env: { PGPASSWORD: 'demo' },
      input,
    })

  beforeAll(async () => {
    expect(await bench(['-i', '-q', '-s', '1'])).toMatchObject({ code: 0 })
  })

  test.each([
    ['-S with prepared statements', ['-S', '-M', 'prepared', '-c', '4', '-t', '250']],
    ['-S, a connection for each transaction', ['-S', '-C', '-c', '4', '-t', '25']],
    ['TPC-B', ['-c', '4', '-t', '100']],
  ])('%s', async (_, args) => {
    const { code, stdout, stderr } = await bench(args)
    expect({ code, stderr }).toMatchObject({ code: 0 })
    expect(stdout).toContain('number of failed transactions: 0 (0.000%)')
  })

  test('pipelines', async () => {
    const script = ['\\startpipeline', 'select 1;', 'select 2;', 'select 3;', '\\endpipeline', ''].join('\n')
    const { code, stdout, stderr } = await bench(['-M', 'extended', '-t', '50', '-f', '-'], script)
    expect({ code, stderr }).toMatchObject({ code: 0 })
    expect(stdout).toContain('number of failed transactions: 0 (0.000%)')
  })
})
