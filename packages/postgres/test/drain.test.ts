import { once } from 'node:events'
import { describeNeeding, launch, type PostgresServer, postgresServer, run } from '@proxy/test-servers'
import pg from 'pg'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { encodeStartup } from '../src/startup-message.ts'
import { exchange } from './raw.ts'
import { openGateway, to } from './setup.ts'

let server: PostgresServer

beforeAll(async () => {
  server = await postgresServer({ databases: ['alpha'] })
})

afterAll(() => server.stop())

async function connect(port: number): Promise<pg.Client> {
  const client = new pg.Client(server.url('alpha', { port }))
  client.on('error', () => undefined)
  await client.connect()
  return client
}

test('an idle session is told that the gateway goes away', async () => {
  await using gateway = await openGateway(to(server))
  const [fresh, used] = [await connect(gateway.port), await connect(gateway.port)]
  await used.query('select 1')
  const errors = Promise.all([fresh, used].map((client) => once(client, 'error')))
  await gateway.gateway.drain()
  for (const [error] of await errors) expect(error).toMatchObject({ code: '57P01' })
})

test('neither a transaction nor a query is cut, and their sessions end behind them', async () => {
  await using gateway = await openGateway(to(server))
  const [holder, inTransaction, busy] = await Promise.all([server, gateway, gateway].map(({ port }) => connect(port)))
  await holder!.query('select pg_advisory_lock(1)')
  await inTransaction!.query('begin; create table kept(i int)')
  const query = busy!.query('select pg_advisory_lock(1)')
  // Silent for no longer than the others, it shows when a drain would cut them.
  const idle = await connect(gateway.port)
  const ended = [idle, inTransaction, busy].map(
    (client) => new Promise<void>((resolve) => client!.once('end', resolve)),
  )
  const drained = gateway.gateway.drain()
  await ended[0]
  await inTransaction!.query('commit')
  await holder!.query('select pg_advisory_unlock(1)')
  await query
  await Promise.all([drained, ...ended])
  expect((await holder!.query('select count(*)::int as n from kept')).rows).toEqual([{ n: 0 }])
  await holder!.end()
})

test('a query that was sent before the login was through is not cut either', async () => {
  const trusting = await postgresServer({ databases: ['alpha'], hba: ['host all all 0.0.0.0/0 trust'] })
  await using gateway = await openGateway(to(trusting))
  const holder = new pg.Client(trusting.url('alpha'))
  await holder.connect()
  await holder.query('select pg_advisory_lock(1)')
  const startup = encodeStartup(3 << 16, [
    ['user', 'demo'],
    ['database', 'alpha'],
  ])
  const answer = exchange(gateway.port, Buffer.concat([startup, query(`select pg_advisory_lock(1), 'granted'`)]))
  await untilWaiting(holder)
  const idle = new pg.Client(trusting.url('alpha', { port: gateway.port }))
  idle.on('error', () => undefined)
  await idle.connect()
  const ended = new Promise<void>((resolve) => idle.once('end', resolve))
  const drained = gateway.gateway.drain()
  await ended
  await holder.query('select pg_advisory_unlock(1)')
  expect((await answer).toString('latin1')).toContain('granted')
  await drained
  await holder.end()
  await trusting.stop()
})

function query(sql: string): Buffer {
  const message = Buffer.from(`Q\0\0\0\0${sql}\0`)
  message.writeUInt32BE(message.length - 1, 1)
  return message
}

async function untilWaiting(client: pg.Client): Promise<void> {
  const sql = `select 1 from pg_stat_activity where wait_event = 'advisory'`
  while ((await client.query(sql)).rowCount === 0);
}

test('past the deadline every session ends, with 57P01', async () => {
  await using gateway = await openGateway(to(server))
  const client = await connect(gateway.port)
  await client.query('begin')
  const error = once(client, 'error')
  await gateway.gateway.drain({ deadlineMs: 100 })
  expect((await error)[0]).toMatchObject({ code: '57P01' })
})

describeNeeding(['pgbench'], 'under pgbench', () => {
  const count = async (): Promise<number> => {
    const client = await connect(server.port)
    const { rows } = await client.query('select count(*)::int as n from pgbench_history')
    await client.end()
    return (rows[0] as { n: number }).n
  }

  /** Settles when the server has noticed that all others are gone, and has logged it. */
  const untilAlone = async (): Promise<void> => {
    const client = await connect(server.port)
    const sql = `select 1 from pg_stat_activity where backend_type = 'client backend' and pid <> pg_backend_pid()`
    while ((await client.query(sql)).rowCount !== 0);
    await client.end()
  }
  const connection = (port: number) => ['-n', '-h', '127.0.0.1', '-U', 'demo', '-p', String(port)]
  const env = { PGPASSWORD: 'demo' }

  beforeAll(async () => {
    expect(await run('pgbench', [...connection(server.port), '-i', '-q', 'alpha'], { env })).toMatchObject({ code: 0 })
  })

  test('that ends by itself, every transaction is committed', async () => {
    await using gateway = await openGateway(to(server))
    const bench = launch('pgbench', [...connection(gateway.port), '-c', '4', '-t', '300', 'alpha'], { env })
    while ((await count()) < 10);
    await gateway.gateway.drain()
    const { code } = await bench.exited
    expect({ code, stderr: bench.stderr }).toMatchObject({ code: 0 })
    expect(await count()).toBe(1200)
  })

  test('that never pauses, sessions are ended between two transactions', async () => {
    await using gateway = await openGateway(to(server))
    const [before, logged] = [await count(), server.log.length]
    const bench = launch('pgbench', [...connection(gateway.port), '-c', '4', '-T', '600', 'alpha'], { env })
    while ((await count()) < before + 100);
    await gateway.gateway.drain({ deadlineMs: 2_000 })
    await bench.exited
    expect(bench.stderr).toContain('the gateway is shutting down')
    await untilAlone()
    expect(server.log.slice(logged)).not.toContain('with an open transaction')
  })
})
