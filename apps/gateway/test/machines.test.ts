import { request as send } from 'node:http'
import { type AddressInfo, connect, createServer } from 'node:net'
import { RedisRoutes, type WakeWorker, wakeWorker } from '@proxy/resolver-redis'
import {
  describeNeeding,
  findFreePort,
  type HttpBackend,
  httpBackend,
  launch,
  type Launched,
  type MariadbServer,
  mariadbServer,
  type PostgresServer,
  postgresServer,
  type RedisServer,
  redisServer,
} from '@proxy/test-servers'
import { Redis } from 'ioredis'
import mysql from 'mysql2/promise'
import pg from 'pg'
import { afterAll, beforeAll, expect, it, vi } from 'vitest'
import { directoryOf, startGateway } from './gateway-process.ts'

const { Client } = pg
const token = 'a-token-for-the-tests'

interface Machine {
  readonly host: string
  readonly process: Launched
}

interface ClusterStats {
  readonly cluster: {
    readonly node: number
    readonly state: string
    readonly gateways: readonly { readonly node: number; readonly name: string }[]
  }
  readonly resolver: { readonly state: string; readonly wakes: number }
}

describeNeeding(['redis-server', 'psql', 'mariadbd', 'mariadb'], 'three machines with one Redis', () => {
  let redis: RedisServer
  let routes: RedisRoutes
  let worker: WakeWorker
  let postgres: PostgresServer
  let mariadb: MariadbServer
  let ports: { http: number; postgres: number; mysql: number; admin: number }
  let machines: Machine[] = []
  const backends: HttpBackend[] = []
  const starts: string[] = []
  const held: PromiseWithResolvers<void> = Promise.withResolvers()

  const startMachine = async (host: string, workers: number): Promise<Machine> => {
    const config = {
      listeners: [
        { address: `${host}:${ports.http}`, protocol: 'http' },
        { address: `${host}:${ports.postgres}`, protocol: 'postgres' },
        { address: `${host}:${ports.mysql}`, protocol: 'mysql' },
      ],
      resolver: { redis: { redis: redis.url, leaseMs: 2_000 } },
      cluster: { redis: redis.url, name: host },
      guard: { allow: ['127.0.0.0/8'] },
      admin: { address: `${host}:${ports.admin}`, token },
      workers,
    }
    const files = { 'gateway.config.json': JSON.stringify(config) }
    return { host, process: await startGateway({ cwd: directoryOf(files) }) }
  }

  const stats = async ({ host }: Machine): Promise<ClusterStats> =>
    (await (await fetch(`http://${host}:${ports.admin}/stats`)).json()) as ClusterStats

  /** The answer's text, or its status. */
  const get = async ({ host }: Machine, tenant: string): Promise<string> => {
    const headers = { host: tenant, connection: 'close' }
    const answer = await request(host, ports.http, headers)
    return answer.status === 200 ? answer.text : String(answer.status)
  }

  beforeAll(async () => {
    redis = await redisServer(['--appendonly', 'yes'])
    postgres = await postgresServer({ databases: ['alpha'] })
    mariadb = await mariadbServer({ databases: ['beta'] })
    ports = {
      http: await findFreePort(),
      postgres: await findFreePort(),
      mysql: await findFreePort(),
      admin: await findFreePort(),
    }
    routes = new RedisRoutes({ redis: redis.url })
    await routes.put('alpha', postgres.endpoint)
    await routes.put('beta', `127.0.0.1:${mariadb.port}`)
    worker = wakeWorker({
      redis: redis.url,
      start: async ({ key }) => {
        starts.push(key)
        if (key === 'held.example' && starts.filter((other) => other === key).length === 1) await held.promise
        const backend = await httpBackend(key)
        backends.push(backend)
        return backend.endpoint
      },
    })
    const hosts: [string, number][] = [
      ['127.0.0.2', 1],
      ['127.0.0.3', 2],
      ['127.0.0.4', 1],
    ]
    machines = await Promise.all(hosts.map(([host, workers]) => startMachine(host, workers)))
    await vi.waitFor(
      async () => {
        for (const machine of machines) expect((await stats(machine)).cluster.gateways).toHaveLength(3)
      },
      { timeout: 20_000, interval: 200 },
    )
  })

  afterAll(async () => {
    await Promise.all(machines.map(({ process }) => process.stop()))
    await worker.close()
    routes.close()
    await Promise.all(backends.map((backend) => backend.close()))
    await Promise.all([postgres.stop(), mariadb.stop(), redis.stop()])
  })

  it('have a number each', async () => {
    const nodes = await Promise.all(machines.map(async (machine) => (await stats(machine)).cluster.node))
    expect(nodes.toSorted((a, b) => a - b)).toEqual([0, 1, 2])
  })

  it('wake a tenant that sleeps once, for the clients of all', async () => {
    await routes.put('sleepy.example', { endpoint: '127.0.0.1:1', state: 'asleep' })
    const asked = Array.from({ length: 60 }, (_, index) => get(machines[index % 3]!, 'sleepy.example'))
    expect(new Set(await Promise.all(asked))).toEqual(new Set(['sleepy.example']))
    expect(starts).toEqual(['sleepy.example'])
  })

  it('cancel queries of psql at Ctrl-C, whichever machine the cancel reaches', async () => {
    await using balancer = await balance(machines.map(({ host }) => ({ host, port: ports.postgres })))
    const url = postgres.url('alpha', { port: balancer.port })
    const sessions = Array.from({ length: 6 }, () => launch('psql', [url, '-c', 'select pg_sleep(60)']))
    const client = new Client(postgres.url('alpha'))
    await client.connect()
    const sql = `select count(*)::int as n from pg_stat_activity where query like 'select pg_sleep%' and state = 'active'`
    await vi.waitFor(async () => expect((await client.query(sql)).rows).toEqual([{ n: 6 }]), { timeout: 15_000 })
    await client.end()
    // The next connection is for another machine than each of the sessions'.
    for (const [index, session] of sessions.entries()) {
      balancer.aim(index + 1)
      session.signal('SIGINT')
      expect((await session.exited).code).toBe(1)
      expect(session.stderr).toContain('canceling statement due to user request')
    }
  })

  it('end a statement of the mariadb client at Ctrl-C, and KILL, by way of another machine', async () => {
    await using balancer = await balance(machines.map(({ host }) => ({ host, port: ports.mysql })))
    const login = [
      '--no-defaults',
      '--protocol=tcp',
      '-h127.0.0.1',
      `-P${balancer.port}`,
      '-udemo',
      '-pdemo',
      '--skip-ssl',
    ]
    const session = launch('mariadb', [...login, 'beta', '-e', 'select sleep(60), connection_id()'])
    const root = await mysql.createConnection({
      host: '127.0.0.1',
      port: mariadb.port,
      user: 'root',
      password: 'root',
    })
    const sleeping = async (): Promise<number> => {
      const [rows] = await root.query(`select id from information_schema.processlist where info like 'select sleep%'`)
      return (rows as unknown[]).length
    }
    await vi.waitFor(async () => expect(await sleeping()).toBe(1), { timeout: 15_000 })
    session.signal('SIGINT')
    await session.exited
    expect(await sleeping()).toBe(0)

    const open = (host: string) =>
      mysql.createConnection({ host, port: ports.mysql, user: 'demo', password: 'demo', database: 'beta' })
    const [victim, killer] = [await open(machines[0]!.host), await open(machines[1]!.host)]
    const running = victim.query('select sleep(60)').catch((error: unknown) => error)
    await vi.waitFor(async () => expect(await sleeping()).toBe(1), { timeout: 15_000 })
    await killer.query(`kill query ${victim.threadId}`)
    await running
    expect(await sleeping()).toBe(0)
    await Promise.all([victim.end(), killer.end(), root.end()])
  })

  it('forget a key everywhere when one is told to', async () => {
    const [old, fresh] = [await httpBackend('old'), await httpBackend('fresh')]
    backends.push(old, fresh)
    await routes.put('moved.example', old.endpoint)
    // Machines of one worker, so that there is one cache that knows it.
    const [one, , three] = machines as [Machine, Machine, Machine]
    for (const machine of machines) expect(await get(machine, 'moved.example')).toBe('old')
    // Written behind their backs: nobody is told.
    const client = new Redis(redis.url)
    await client.hset('proxy:route:moved.example', 'record', JSON.stringify({ endpoint: fresh.endpoint }))
    client.disconnect()
    for (const machine of [one, three]) expect(await get(machine, 'moved.example')).toBe('old')
    const answer = await fetch(`http://${machines[1]!.host}:${ports.admin}/api/v1/purge`, {
      method: 'POST',
      headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
      body: JSON.stringify({ key: 'moved.example' }),
    })
    expect(answer.status).toBe(200)
    for (const machine of machines) {
      await vi.waitFor(async () => expect(await get(machine, 'moved.example')).toBe('fresh'))
    }
  })

  it('go on when Redis goes away, ready all the time, and come together when it is back', async () => {
    await redis.kill()
    await vi.waitFor(async () => {
      for (const machine of machines) {
        expect(await get(machine, 'sleepy.example')).toBe('sleepy.example')
        expect((await stats(machine)).cluster.state).toBe('stale')
      }
    })
    for (const { host } of machines) {
      expect((await fetch(`http://${host}:${ports.admin}/readyz`)).status).toBe(200)
    }
    await redis.start()
    await vi.waitFor(
      async () => {
        for (const machine of machines) expect(await stats(machine)).toMatchObject({ cluster: { state: 'ready' } })
      },
      { timeout: 15_000, interval: 200 },
    )
  })

  it('lose one under load: its clients go to the others, which notice nothing else', async () => {
    const [victim, ...others] = machines as [Machine, ...Machine[]]
    const bystander = new Client(postgres.url('alpha', { port: ports.postgres }).replace('127.0.0.1', others[0]!.host))
    await bystander.connect()
    const failures: string[] = []
    let served = 0
    let going = true
    const load = Array.from({ length: 12 }, async (_, index) => {
      for (let turn = index; going; turn++) {
        const answers = [machines[turn % 3]!, machines[(turn + 1) % 3]!].map(
          (machine) => () => get(machine, 'sleepy.example'),
        )
        // A client that is refused by one machine tries the next one.
        const answer = await answers[0]!().catch(() => answers[1]!().catch((error: unknown) => String(error)))
        if (answer === 'sleepy.example') served++
        else failures.push(answer)
      }
    })
    await vi.waitFor(() => expect(served).toBeGreaterThan(50))
    await routes.put('held.example', { endpoint: '127.0.0.1:1', state: 'asleep' })
    const lost = get(victim, 'held.example').catch(() => 'broken off')
    await vi.waitFor(() => expect(starts).toContain('held.example'))
    victim.process.signal('SIGKILL')
    await victim.process.exited
    expect(await lost).toBe('broken off')
    const before = served
    await vi.waitFor(() => expect(served).toBeGreaterThan(before + 200), { timeout: 15_000 })
    going = false
    await Promise.all(load)
    expect(failures).toEqual([])
    expect((await bystander.query('select 1 as one')).rows).toEqual([{ one: 1 }])
    await bystander.end()
    // The lock of the wake that the victim had begun ends, and what comes of that is refused.
    expect(await Promise.all(others.map((machine) => get(machine, 'held.example')))).toEqual([
      'held.example',
      'held.example',
    ])
    expect(starts).toEqual(['sleepy.example', 'held.example', 'held.example'])
    held.resolve()
    await vi.waitFor(() => expect(worker.stats().refused).toBe(1))
    // Its lease of eight seconds.
    await vi.waitFor(
      async () => {
        for (const machine of others) expect((await stats(machine)).cluster.gateways).toHaveLength(2)
      },
      { timeout: 30_000, interval: 500 },
    )
    machines[0] = await startMachine(victim.host, 1)
    expect((await stats(machines[0])).cluster.node).toBeLessThan(3)
  }, 60_000)
})

interface Answer {
  readonly status: number
  readonly text: string
}

/** With a Host of its own, which `fetch` does not allow. */
function request(host: string, port: number, headers: Record<string, string>): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const sent = send({ host, port, headers, agent: false }, (response) => {
      let text = ''
      response.setEncoding('utf8').on('data', (part: string) => (text += part))
      response.on('end', () => resolve({ status: response.statusCode ?? 0, text }))
      response.on('error', reject)
    })
    sent.on('error', reject).end()
  })
}

interface Balancer extends AsyncDisposable {
  readonly port: number
  /** The next connection goes to the machine of this index. */
  aim(index: number): void
}

/** Hands each connection to the next machine, as a plain balancer does. */
async function balance(targets: readonly { readonly host: string; readonly port: number }[]): Promise<Balancer> {
  let turn = 0
  const server = createServer((client) => {
    const upstream = connect(targets[turn++ % targets.length]!)
    for (const [from, to] of [
      [client, upstream],
      [upstream, client],
    ] as const) {
      from.on('error', () => to.destroy())
      from.pipe(to)
    }
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return {
    port: (server.address() as AddressInfo).port,
    aim: (index) => void (turn = index),
    [Symbol.asyncDispose]: () => new Promise((resolve) => server.close(() => resolve())),
  }
}
