import type { Peers } from '@proxy/kernel'
import { describeNeeding, findFreePort, launch, type MariadbServer, mariadbServer, run } from '@proxy/test-servers'
import type mysql2 from 'mysql2/promise'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { mysql } from '../src/index.ts'
import { cliArgs, cliEnv, connectMariadb, connectMysql2, type Login } from './clients.ts'
import { asRoot, balance } from './raw.ts'
import { openGateway, type TestGateway, to } from './setup.ts'

let server: MariadbServer

beforeAll(async () => {
  server = await mariadbServer({ databases: ['alpha', 'beta'] })
})

afterAll(() => server.stop())

const interrupted = { errno: 1317 }
const unknownThread = { errno: 1094, sqlState: 'HY000' }

interface Running {
  readonly connection: mysql2.Connection
  /** As the gateway's greeting gave it. */
  readonly id: number
  /** As the server knows it. */
  readonly own: number
  readonly query: Promise<unknown>
}

let marks = 0

/** A connection whose query sleeps until somebody ends it; settles when the backend has begun. */
async function sleeping(port: number, database = 'alpha'): Promise<Running> {
  const connection = await connectMysql2({ port, database })
  connection.on('error', () => undefined)
  const [rows] = await connection.query('select connection_id() as own')
  const mark = `sleep ${++marks}`
  const query = connection.query(`select sleep(60) /* ${mark} */ from (select 1) as t`)
  query.catch(() => undefined)
  await untilActive(mark)
  const { threadId } = connection as unknown as { threadId: number }
  return { connection, id: threadId, own: (rows as { own: number }[])[0]!.own, query }
}

/** Polls the server itself, which is the only one to know. */
async function untilActive(mark: string): Promise<void> {
  const sql = `select count(*) from information_schema.processlist where info like '%sleep(60)%${mark}%' and info not like '%processlist%'`
  while ((await asRoot(server.port, sql)).trim() === '0');
}

async function ask(login: Login, sql: string): Promise<unknown> {
  const connection = await connectMysql2(login)
  try {
    return (await connection.query(sql))[0]
  } finally {
    connection.destroy()
  }
}

describeNeeding(['mariadbd', 'mariadb'], 'KILL', () => {
  let gateway: TestGateway
  const login = (database = 'alpha'): Login => ({ port: gateway.port, database })

  beforeAll(async () => {
    gateway = await openGateway(to(server))
  })
  afterAll(() => gateway[Symbol.asyncDispose]())

  test.each(['KILL QUERY', 'kill query', '/* why */ KILL HARD QUERY', 'KILL SOFT QUERY'])('%s', async (words) => {
    const running = await sleeping(gateway.port)
    await ask(login(), `${words} ${running.id}`)
    await expect(running.query).rejects.toMatchObject(interrupted)
    // Only the query: the connection goes on.
    expect((await running.connection.query('select 1 as one'))[0]).toEqual([{ one: 1 }])
    await running.connection.end()
  })

  test.each(['KILL', 'KILL CONNECTION'])('%s', async (words) => {
    const running = await sleeping(gateway.port)
    await ask(login(), `${words} ${running.id}`)
    await expect(running.query).rejects.toBeDefined()
    expect(
      await asRoot(server.port, `select count(*) from information_schema.processlist where id = ${running.own}`),
    ).toBe('0\n')
  })

  test('of the connection itself', async () => {
    const connection = await connectMysql2(login())
    connection.on('error', () => undefined)
    const { threadId } = connection as unknown as { threadId: number }
    await expect(connection.query(`kill query ${threadId}`)).rejects.toMatchObject(interrupted)
    await expect(connection.query(`kill ${threadId}`)).rejects.toBeDefined()
    connection.destroy()
  })

  test('of an id that nobody has, or of one that is gone', async () => {
    const running = await sleeping(gateway.port)
    await ask(login(), `kill query ${running.id}`)
    await running.connection.end()
    await expect(ask(login(), `kill query ${running.id}`)).rejects.toMatchObject(unknownThread)
    await expect(ask(login(), 'kill 4000000000')).rejects.toMatchObject(unknownThread)
    await expect(ask(login(), 'kill 0')).rejects.toMatchObject(unknownThread)
  })

  test('another tenant’s session is not there', async () => {
    const running = await sleeping(gateway.port, 'alpha')
    await expect(ask(login('beta'), `kill query ${running.id}`)).rejects.toMatchObject(unknownThread)
    await expect(ask(login('beta'), `kill ${running.id}`)).rejects.toMatchObject(unknownThread)
    expect(
      await asRoot(server.port, `select count(*) from information_schema.processlist where id = ${running.own}`),
    ).toBe('1\n')
    await ask(login('alpha'), `kill query ${running.id}`)
    await expect(running.query).rejects.toMatchObject(interrupted)
    await running.connection.end()
  })

  test('the session’s user must be allowed to: the server decides', async () => {
    await asRoot(
      server.port,
      `create user if not exists weak@'127.0.0.1' identified by 'demo'; grant select on *.* to weak@'127.0.0.1'`,
    )
    const running = await sleeping(gateway.port)
    await expect(ask({ ...login(), user: 'weak' }, `kill query ${running.id}`)).rejects.toMatchObject({ errno: 1095 })
    await ask(login(), `kill query ${running.id}`)
    await expect(running.query).rejects.toMatchObject(interrupted)
    await running.connection.end()
  })

  test('an id of the server’s own, as its process list has it, is the server’s business', async () => {
    const running = await sleeping(gateway.port)
    await ask(login(), `kill query ${running.own}`)
    await expect(running.query).rejects.toMatchObject(interrupted)
    await running.connection.end()
  })

  test('from within a transaction, beside other statements', async () => {
    const running = await sleeping(gateway.port)
    const killer = await connectMysql2(login())
    await killer.beginTransaction()
    await killer.query(`kill query ${running.id}`)
    expect((await killer.query('select 2 as two'))[0]).toEqual([{ two: 2 }])
    await killer.commit()
    await expect(running.query).rejects.toMatchObject(interrupted)
    await Promise.all([running.connection.end(), killer.end()])
  })

  test('a text that only looks like it goes to the server as it is', async () => {
    expect(await ask(login(), `select 'kill query 1' as text`)).toEqual([{ text: 'kill query 1' }])
    await expect(ask(login(), 'kill_everybody')).rejects.toMatchObject({ errno: 1064 })
  })

  test('mariadb-admin kill', async () => {
    const running = await sleeping(gateway.port)
    const args = [...cliArgs({ port: gateway.port, user: 'alpha.demo' }), 'kill', String(running.id)]
    expect(await run('mariadb-admin', args, { env: cliEnv(login()) })).toMatchObject({ code: 0, stderr: '' })
    await expect(running.query).rejects.toBeDefined()
  })

  test('a query timeout of the client', async () => {
    const connection = await connectMariadb(login())
    const { threadId } = connection
    const query = connection
      .query('select sleep(60) /* by mariadb */ from (select 1) as t')
      .catch((error: unknown) => error)
    await untilActive('by mariadb')
    await ask(login(), `kill query ${threadId}`)
    expect(await query).toMatchObject({ errno: 1317 })
    await connection.end()
  })

  // Its second connection names no database.
  test('Ctrl-C in the CLI, routed by user', () => expectInterrupted({ port: gateway.port, user: 'alpha.demo' }))

  test('Ctrl-C in the CLI, routed by database', () => expectInterrupted({ port: gateway.port, database: 'alpha' }))

  test('a session from before a reload', async () => {
    const address = { host: '127.0.0.1', port: await findFreePort() }
    await using reloaded = await openGateway(to(server), { listener: { address } })
    const running = await sleeping(address.port)
    await reloaded.gateway.reload({
      resolver: to(server),
      guard: { allow: ['127.0.0.0/8'] },
      listeners: [{ address, protocol: mysql() }],
    })
    await ask({ port: address.port, database: 'alpha' }, `kill query ${running.id}`)
    await expect(running.query).rejects.toMatchObject(interrupted)
    await running.connection.end()
  })

  describe('two workers', () => {
    let workers: TestGateway[]
    beforeAll(async () => {
      workers = await Promise.all(linkedPeers(2).map((peers) => openGateway(to(server), { peers })))
    })
    afterAll(() => Promise.all(workers.map((worker) => worker[Symbol.asyncDispose]())))

    test.each([
      [0, 1],
      [1, 0],
    ])('the session at worker %d, KILL at worker %d', async (home, elsewhere) => {
      const running = await sleeping(workers[home]!.port)
      const { port } = workers[elsewhere]!
      await expect(ask({ port, database: 'beta' }, `kill query ${running.id}`)).rejects.toMatchObject(unknownThread)
      await ask({ port, database: 'alpha' }, `kill query ${running.id}`)
      await expect(running.query).rejects.toMatchObject(interrupted)
      await running.connection.end()
    })

    test('their ids differ', async () => {
      const [one, two] = await Promise.all(workers.map(({ port }) => connectMysql2({ port, database: 'alpha' })))
      const ids = [one, two].map((connection) => (connection as unknown as { threadId: number }).threadId)
      expect(new Set(ids).size).toBe(2)
      await Promise.all([one!.end(), two!.end()])
    })

    test('Ctrl-C in the CLI, by way of the other worker', async () => {
      await using balancer = await balance(workers.map((worker) => worker.port))
      await expectInterrupted({ port: balancer.port, user: 'alpha.demo' })
    })
  })
})

/** The CLI ends its query by a second connection, and with it itself. */
async function expectInterrupted(login: Login): Promise<void> {
  const mark = `cli ${++marks}`
  const sql = `select sleep(60) /* ${mark} */ from (select 1) as t`
  // It strips comments unless it is told not to.
  const child = launch('mariadb', [...cliArgs(login), '--comments', '-BNe', sql], { env: cliEnv(login) })
  await untilActive(mark)
  child.signal('SIGINT')
  await child.exited
  expect(child.output).toMatch(/query killed|ERROR 1317/)
}

/** Workers that reach each other as processes do: messages survive JSON. */
function linkedPeers(count: number): Peers[] {
  type Handler = (message: unknown, from: number) => unknown
  const topics = Array.from({ length: count }, () => new Map<string, Handler>())
  return topics.map((own, self) => ({
    self,
    async request(peer, topic, message) {
      const handler = topics[peer]?.get(topic)
      if (handler === undefined) throw new Error(`worker ${peer} does not answer ${topic}`)
      return handler(JSON.parse(JSON.stringify(message)), self)
    },
    answer(topic, handler) {
      own.set(topic, handler)
      return () => own.delete(topic)
    },
  }))
}
