import { once } from 'node:events'
import { request } from 'node:http'
import { type AddressInfo, createServer, type Socket } from 'node:net'
import { http } from '@proxy/http'
import { type EndpointHealthEvent, Gateway, type GatewayOptions, type Layer } from '@proxy/kernel'
import { balance, breaker, type BreakerOptions, health, retry } from '@proxy/kernel/layers'
import { mysql } from '@proxy/mysql'
import { postgres } from '@proxy/postgres'
import { describeNeeding, mariadbServer, type PostgresServer, postgresServer } from '@proxy/test-servers'
import { transportUnderTest } from '@proxy/test-servers/transport'
import { createConnection } from 'mysql2/promise'
import pg from 'pg'
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest'

const rounds = 60

async function openGateway(options: Omit<GatewayOptions, 'guard'>): Promise<{ gateway: Gateway; port: number }> {
  const gateway = new Gateway({ guard: { allow: ['127.0.0.0/8'] }, transport: transportUnderTest(), ...options })
  await gateway.open()
  onTestFinished(() => gateway.close())
  return { gateway, port: gateway.addresses[0]!.port }
}

/** The layers in the order in which the gateway's configuration puts them. */
function layers(circuit: BreakerOptions = { failures: 3, openMs: 200 }): Layer[] {
  return [
    balance({ slowStartMs: 500 }),
    retry(),
    breaker(circuit),
    health({ intervalMs: 200, timeoutMs: 300, rise: 1, fall: 2, ejectAfter: 3, ejectMs: 500 }),
  ]
}

describe('three PostgreSQL servers', () => {
  let servers: PostgresServer[]

  beforeAll(async () => {
    servers = await Promise.all([0, 1, 2].map(() => postgresServer({ databases: ['alpha'] })))
  })
  afterAll(() => Promise.all(servers.map((server) => server.stop())))

  const trio = () => ({ id: 'trio', endpoint: servers.map(({ endpoint }) => endpoint) })

  async function ask(port: number, password = 'demo'): Promise<number> {
    const client = new pg.Client({ host: '127.0.0.1', port, user: 'demo', password, database: 'alpha' })
    client.on('error', () => undefined)
    await client.connect()
    const { rows } = await client.query('select inet_server_port() as port')
    await client.end()
    return rows[0].port
  }

  /** How many of the sessions each server had. Any that fails, fails the test. */
  async function shares(port: number, times = rounds): Promise<number[]> {
    const counts = servers.map(() => 0)
    for (let i = 0; i < times; i += 4) {
      const answered = await Promise.all([0, 1, 2, 3].map(() => ask(port)))
      for (const one of answered) counts[servers.findIndex((server) => server.port === one)]!++
    }
    return counts
  }

  /** Asks, and fails for no client, until the server has its share again. */
  async function untilServing(port: number, index: number): Promise<void> {
    while ((await shares(port, 12))[index]! < 3);
  }

  function changesOf(gateway: Gateway): { next(index: number, healthy: boolean): Promise<EndpointHealthEvent> } {
    return {
      next: (index, healthy) =>
        new Promise((resolve) => {
          const stop = gateway.hooks.on('endpoint:health', (event) => {
            if (event.endpoint.port !== servers[index]!.port || event.healthy !== healthy) return
            stop()
            resolve(event)
          })
        }),
    }
  }

  test('share the sessions; one that is killed costs no client anything, and comes back', async () => {
    const { port, gateway } = await openGateway({
      listeners: [{ address: '127.0.0.1:0', protocol: postgres() }],
      resolver: trio,
      layers: layers(),
    })
    for (const share of await shares(port)) expect(share).toBeGreaterThan(rounds / 6)
    await servers[0]!.halt('immediate')
    const [dead, ...alive] = await shares(port)
    expect(dead).toBe(0)
    for (const share of alive) expect(share).toBeGreaterThan(rounds / 4)
    expect(gateway.stats().layers['health']).toMatchObject({ endpoints: expect.any(Array) as unknown })
    await servers[0]!.start()
    await untilServing(port, 0)
  }, 60_000)

  test('one that hangs is found out, left alone, and comes back', async () => {
    const { port, gateway } = await openGateway({
      listeners: [{ address: '127.0.0.1:0', protocol: postgres() }],
      resolver: trio,
      layers: layers(),
    })
    await shares(port, 12)
    const changes = changesOf(gateway)
    const down = changes.next(1, false)
    process.kill(servers[1]!.pid!, 'SIGSTOP')
    try {
      // It still takes connections: only a probe that is not answered tells.
      expect((await down).by).toBe('check')
      const [, hanging] = await shares(port)
      expect(hanging).toBe(0)
    } finally {
      process.kill(servers[1]!.pid!, 'SIGCONT')
    }
    await changes.next(1, true)
    await untilServing(port, 1)
  }, 60_000)

  test('one that flaps costs no client anything', async () => {
    const { port } = await openGateway({
      listeners: [{ address: '127.0.0.1:0', protocol: postgres() }],
      resolver: trio,
      layers: layers(),
    })
    for (let i = 0; i < 3; i++) {
      await servers[2]!.halt('immediate')
      await shares(port, 20)
      const started = servers[2]!.start()
      // PostgreSQL takes no sessions while it recovers; the protocol itself tries again.
      await shares(port, 20)
      await started
    }
    await untilServing(port, 2)
  }, 60_000)

  test('wrong passwords are no failures of the server, 100 in a row', async () => {
    const { port, gateway } = await openGateway({
      listeners: [{ address: '127.0.0.1:0', protocol: postgres() }],
      resolver: () => servers[0]!.endpoint,
      layers: layers({ failures: 1 }),
    })
    for (let i = 0; i < 100; i++) await expect(ask(port, 'wrong')).rejects.toMatchObject({ code: '28P01' })
    expect(gateway.stats().layers['breaker']).toEqual({ circuits: [], open: 0, halfOpen: 0 })
    expect(await ask(port)).toBe(servers[0]!.port)
  }, 60_000)
})

describeNeeding(['mariadbd'], 'MariaDB', () => {
  test('may deny 100 logins in a row, and is still dialled', async () => {
    await using server = await mariadbServer({ databases: ['alpha'] })
    const { port, gateway } = await openGateway({
      listeners: [{ address: '127.0.0.1:0', protocol: mysql() }],
      resolver: () => server.endpoint,
      layers: layers({ failures: 1 }),
    })
    const login = { host: '127.0.0.1', port, user: 'demo', database: 'alpha' }
    for (let i = 0; i < 100; i++) {
      await expect(createConnection({ ...login, password: 'wrong' })).rejects.toMatchObject({ errno: 1045 })
    }
    expect(gateway.stats().layers['breaker']).toMatchObject({ open: 0, halfOpen: 0 })
    const connection = await createConnection({ ...login, password: 'demo' })
    await connection.end()
    await server.halt('immediate')
    await expect(createConnection({ ...login, password: 'demo' })).rejects.toThrow()
    expect(gateway.stats().layers['breaker']).toMatchObject({ open: 1 })
  }, 60_000)
})

describe('an HTTP server that breaks off', () => {
  interface Answer {
    readonly status: number
    readonly retryAfter: string | undefined
  }

  function get(port: number): Promise<Answer> {
    return new Promise((resolve, reject) => {
      const asked = request({ host: '127.0.0.1', port, agent: false, headers: { host: 'alpha' } }, (response) => {
        response.resume().once('end', () => {
          resolve({ status: response.statusCode!, retryAfter: response.headers['retry-after'] })
        })
      })
      asked.on('error', reject).end()
    })
  }

  test('opens its circuit; of 200 clients at the half-open circuit exactly one reaches it', async () => {
    const sockets: Socket[] = []
    let serve = (socket: Socket): unknown => socket.once('data', () => socket.destroy())
    const server = createServer((socket) => {
      sockets.push(socket)
      socket.on('error', () => undefined)
      serve(socket)
    })
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
    onTestFinished(() => {
      for (const socket of sockets) socket.destroy()
      server.close()
    })
    const { port, gateway } = await openGateway({
      listeners: [{ address: '127.0.0.1:0', protocol: http() }],
      resolver: () => `127.0.0.1:${(server.address() as AddressInfo).port}`,
      layers: layers({ failures: 3, openMs: 300 }),
    })
    const opened = new Promise<number>((resolve) => {
      gateway.hooks.on('circuit:change', ({ state, openMs }) => state === 'open' && resolve(openMs))
    })
    for (let i = 0; i < 3; i++) expect((await get(port)).status).toBe(502)
    expect(sockets).toHaveLength(3)
    expect(await get(port)).toMatchObject({ status: 503, retryAfter: '1' })
    expect(sockets).toHaveLength(3)
    const asked = Promise.withResolvers<Socket>()
    serve = (socket) => socket.once('data', () => asked.resolve(socket))
    const openMs = await opened
    await new Promise((resolve) => setTimeout(resolve, openMs))
    const answered: number[] = []
    const all = Array.from({ length: 200 }, () => get(port).then(({ status }) => answered.push(status)))
    const trial = await asked.promise
    await expect.poll(() => answered).toEqual(Array(199).fill(503))
    expect(sockets).toHaveLength(4)
    trial.write('HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n')
    await Promise.all(all)
    expect(answered.at(-1)).toBe(200)
    expect(gateway.stats().layers['breaker']).toEqual({ circuits: [], open: 0, halfOpen: 0 })
  })
})
