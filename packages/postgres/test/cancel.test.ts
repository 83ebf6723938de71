import { once } from 'node:events'
import type { Layer, Peers } from '@proxy/kernel'
import {
  certificateAuthority,
  describeNeeding,
  findFreePort,
  launch,
  type Launched,
  type PostgresServer,
  postgresServer,
} from '@proxy/test-servers'
import { tls } from '@proxy/tls'
import pg from 'pg'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { postgres } from '../src/index.ts'
import { encodeCancelRequest, encodeRequest, requestCodes } from '../src/wire.ts'
import { balance, connectTls, exchange, tap } from './raw.ts'
import { at, openGateway, type TestGateway, to } from './setup.ts'

let server: PostgresServer

beforeAll(async () => {
  server = await postgresServer({ databases: ['alpha'] })
})

afterAll(() => server.stop())

const canceled = { code: '57014' }

interface Running {
  readonly client: pg.Client
  readonly key: { readonly pid: number; readonly secret: Buffer }
  readonly query: Promise<unknown>
}

/** A connection whose query sleeps until somebody ends it; settles when the backend has begun. */
async function sleeping(port: number, ssl: pg.ClientConfig['ssl'] = false, on = server): Promise<Running> {
  const client = new pg.Client({ host: '127.0.0.1', port, user: 'demo', password: 'demo', database: 'alpha', ssl })
  await client.connect()
  const { rows } = await client.query('select pg_backend_pid() as pid')
  const query = client.query('select pg_sleep(60)')
  query.catch(() => undefined)
  await untilActive((rows[0] as { pid: number }).pid, on)
  const { processID, secretKey } = client as unknown as { processID: number; secretKey: number }
  const secret = Buffer.alloc(4)
  secret.writeInt32BE(secretKey)
  return { client, key: { pid: processID, secret }, query }
}

/** Polls the server itself, which is the only one to know. */
async function untilActive(pid: number, on = server): Promise<void> {
  const client = new pg.Client(on.url('alpha'))
  await client.connect()
  const sql = `select 1 from pg_stat_activity where pid = $1 and state = 'active' and query like '%pg_sleep(60)%'`
  while ((await client.query(sql, [pid])).rowCount === 0);
  await client.end()
}

/** Sends a CancelRequest and settles when the gateway has closed the connection; with what it said. */
const cancel = async (port: number, packet: Buffer): Promise<string> =>
  (await exchange(port, packet)).toString('latin1')

describe('one worker', () => {
  let gateway: TestGateway
  beforeAll(async () => {
    gateway = await openGateway(to(server))
  })
  afterAll(() => gateway[Symbol.asyncDispose]())

  test('the key is ours: its pid is positive and not the backend’s', async () => {
    const running = await sleeping(gateway.port)
    expect(running.key.pid).toBeGreaterThanOrEqual(0)
    const own = encodeCancelRequest(running.key)
    await cancel(server.port, own)
    await cancel(gateway.port, own)
    await expect(running.query).rejects.toMatchObject(canceled)
    await running.client.end()
  })

  test('an unknown key, or a secret that is off by a bit, closes in silence and cancels nobody', async () => {
    const running = await sleeping(gateway.port)
    const { pid, secret } = running.key
    const wrong = Buffer.from(secret)
    wrong[3]! ^= 1
    const longer = Buffer.concat([secret, Buffer.alloc(28)])
    const dials = await dialsDuring(gateway, async () => {
      for (const key of [
        { pid, secret: wrong },
        { pid: pid ^ 1, secret },
        { pid, secret: longer },
      ]) {
        expect(await cancel(gateway.port, encodeCancelRequest(key))).toBe('')
      }
    })
    expect(dials).toBe(0)
    await cancel(gateway.port, encodeCancelRequest(running.key))
    await expect(running.query).rejects.toMatchObject(canceled)
    await running.client.end()
  })

  test('a key is forgotten with its session', async () => {
    const running = await sleeping(gateway.port)
    await cancel(gateway.port, encodeCancelRequest(running.key))
    await expect(running.query).rejects.toMatchObject(canceled)
    await running.client.end()
    expect(await dialsDuring(gateway, () => cancel(gateway.port, encodeCancelRequest(running.key)))).toBe(0)
  })

  test('the driver’s own cancel', async () => {
    const running = await sleeping(gateway.port)
    cancelByDriver(gateway.port, running)
    await expect(running.query).rejects.toMatchObject(canceled)
    await running.client.end()
  })

  describeNeeding(['psql'], 'psql', () => {
    test('Ctrl-C', async () => {
      const child = sleepInPsql(at(gateway.port, 'dbname=alpha sslmode=disable'))
      await interrupt(child)
      expect(child.stderr).toContain('canceling statement due to user request')
    })
  })
})

/** As pg does it: by a connection of its own to the same address. */
function cancelByDriver(port: number, { client }: Running): void {
  const helper = new pg.Client({ host: '127.0.0.1', port, user: 'demo', database: 'alpha' })
  const query = (client as unknown as { _getActiveQuery(): unknown })._getActiveQuery()
  const cancelling = helper as unknown as { cancel(client: pg.Client, query: unknown): void }
  cancelling.cancel(client, query)
}

/** How often a backend was dialled meanwhile: what is not dialled cannot be cancelled. */
async function dialsDuring({ gateway }: TestGateway, action: () => Promise<unknown>): Promise<number> {
  let dials = 0
  const unhook = gateway.hooks.on('dial:end', () => dials++)
  await action()
  unhook()
  return dials
}

function sleepInPsql(connection: string): Launched {
  const sql = ['-c', 'select pg_backend_pid()', '-c', 'select pg_sleep(60)']
  return launch('psql', ['-XAt', '-d', connection, ...sql], { env: { PGPASSWORD: 'demo' } })
}

async function interrupt(child: Launched): Promise<void> {
  const [pid] = await child.waitFor(/\d+/)
  await untilActive(Number(pid))
  child.signal('SIGINT')
  await child.exited
}

test('requests beyond the rate of one address are dropped', async () => {
  await using gateway = await openGateway(to(server), { protocol: { maxCancelRate: 1 } })
  const running = await sleeping(gateway.port)
  await cancel(gateway.port, encodeCancelRequest({ pid: 1, secret: Buffer.alloc(4) }))
  expect(await dialsDuring(gateway, () => cancel(gateway.port, encodeCancelRequest(running.key)))).toBe(0)
  running.client.on('error', () => undefined)
  await running.client.end()
})

test('a cancel does not ask the resolver, let alone wake anybody', async () => {
  let asked = 0
  await using gateway = await openGateway(() => {
    asked++
    return server.endpoint
  })
  const running = await sleeping(gateway.port)
  await cancel(gateway.port, encodeCancelRequest(running.key))
  await expect(running.query).rejects.toMatchObject(canceled)
  await running.client.end()
  expect(asked).toBe(1)
})

test('with several endpoints, the server of the session is asked', async () => {
  const other = await postgresServer({ databases: ['alpha'] })
  let turn = 0
  const rotate: Layer = {
    name: 'rotate',
    dial: (next) => (request, signal) => {
      const { endpoints } = request.backend
      return next({ ...request, endpoint: endpoints[turn++ % endpoints.length]! }, signal)
    },
  }
  const both = { endpoint: [server.endpoint, other.endpoint] }
  await using gateway = await openGateway(() => both, { layers: [rotate] })
  const running = await sleeping(gateway.port)
  await cancel(gateway.port, encodeCancelRequest(running.key))
  await expect(running.query).rejects.toMatchObject(canceled)
  await running.client.end()
  await other.stop()
})

test('a session from before a reload is cancelled by way of the new configuration', async () => {
  const address = { host: '127.0.0.1', port: await findFreePort() }
  await using gateway = await openGateway(to(server), { listener: { address } })
  const running = await sleeping(address.port)
  await gateway.gateway.reload({
    resolver: to(server),
    guard: { allow: ['127.0.0.0/8'] },
    listeners: [{ address, protocol: postgres() }],
  })
  await cancel(address.port, encodeCancelRequest(running.key))
  await expect(running.query).rejects.toMatchObject(canceled)
  await running.client.end()
})

test('a request that a balancer hands to another gateway is passed on', async () => {
  const port = await findFreePort()
  await using home = await openGateway(to(server), {
    protocol: { node: 1 },
    listener: { address: { host: '127.0.0.1', port } },
  })
  await using knowing = await openGateway(to(server), { protocol: { node: 2, nodes: { 1: `127.0.0.1:${port}` } } })
  await using unknowing = await openGateway(to(server), { protocol: { node: 3 } })
  const running = await sleeping(home.port)
  const request = encodeCancelRequest(running.key)
  expect(await dialsDuring(unknowing, () => cancel(unknowing.port, request))).toBe(0)
  expect(await cancel(knowing.port, request)).toBe('')
  await expect(running.query).rejects.toMatchObject(canceled)
  await running.client.end()
})

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

/** Machines of a cluster with a worker each. */
function linkedMachines(count: number): Peers[] {
  const all = linkedPeers(count)
  return all.map((peers, node) => ({
    ...peers,
    self: 0,
    node,
    request: (peer, topic, message, at = node) => peers.request(peer + at, topic, message),
  }))
}

test('a request that a balancer hands to another machine of a cluster is passed on', async () => {
  const [one, two] = linkedMachines(2)
  await using home = await openGateway(to(server), { peers: one! })
  await using elsewhere = await openGateway(to(server), { peers: two! })
  const running = await sleeping(home.port)
  expect(await cancel(elsewhere.port, encodeCancelRequest(running.key))).toBe('')
  await expect(running.query).rejects.toMatchObject(canceled)
  await running.client.end()
})

test('a machine without a number yet cancels its own', async () => {
  const [one] = linkedMachines(1)
  await using home = await openGateway(to(server), { peers: { ...one!, node: 255 } })
  const running = await sleeping(home.port)
  await cancel(home.port, encodeCancelRequest(running.key))
  await expect(running.query).rejects.toMatchObject(canceled)
  await running.client.end()
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
  ])('the session at worker %d, the request at worker %d', async (home, elsewhere) => {
    const running = await sleeping(workers[home]!.port)
    expect(await cancel(workers[elsewhere]!.port, encodeCancelRequest(running.key))).toBe('')
    await expect(running.query).rejects.toMatchObject(canceled)
    await running.client.end()
  })

  test('the driver’s own cancel, by way of the other worker', async () => {
    await using balancer = await balance(workers.map((worker) => worker.port))
    const running = await sleeping(balancer.port)
    cancelByDriver(balancer.port, running)
    await expect(running.query).rejects.toMatchObject(canceled)
    await running.client.end()
  })

  describeNeeding(['psql'], 'psql', () => {
    test('Ctrl-C, by way of the other worker', async () => {
      await using balancer = await balance(workers.map((worker) => worker.port))
      const child = sleepInPsql(at(balancer.port, 'dbname=alpha sslmode=disable'))
      await interrupt(child)
      expect(child.stderr).toContain('canceling statement due to user request')
    })
  })

  test('a worker that is not there closes in silence', async () => {
    const pid = 900 << 13
    expect(await cancel(workers[0]!.port, encodeCancelRequest({ pid, secret: Buffer.alloc(4) }))).toBe('')
  })
})

describeNeeding(['openssl'], 'TLS', () => {
  test('the request may come with TLS or without', async () => {
    const authority = certificateAuthority()
    const certificate = authority.server({ name: 'localhost' })
    await using gateway = await openGateway(to(server), {
      listener: { tls: tls({ mode: 'negotiated', required: true, certificates: [certificate] }) },
    })
    for (const asTls of [true, false]) {
      const running = await sleeping(gateway.port, { ca: authority.cert })
      const packet = encodeCancelRequest(running.key)
      await (asTls ? cancelWithTls(gateway.port, packet, authority.cert) : cancel(gateway.port, packet))
      await expect(running.query).rejects.toMatchObject(canceled)
      await running.client.end()
    }
    authority.dispose()
  })

  test('the backend is asked with TLS when the session has it', async () => {
    const authority = certificateAuthority()
    const secured = await postgresServer({ databases: ['alpha'], tls: authority.server({ name: 'localhost' }) })
    await using tapped = await tap(secured.port)
    const { endpoint } = tapped
    await using gateway = await openGateway(() => ({ endpoint, tls: { mode: 'negotiated', ca: authority.cert } }))
    const running = await sleeping(gateway.port, false, secured)
    await cancel(gateway.port, encodeCancelRequest(running.key))
    await expect(running.query).rejects.toMatchObject(canceled)
    await running.client.end()
    expect(tapped.openings).toEqual([encodeRequest(requestCodes.ssl), encodeRequest(requestCodes.ssl)])
    await secured.stop()
    authority.dispose()
  })
})

async function cancelWithTls(port: number, packet: Buffer, ca: string): Promise<void> {
  const socket = await connectTls(port, { ca, servername: 'localhost' })
  socket.write(packet)
  socket.resume()
  await once(socket, 'close')
}
