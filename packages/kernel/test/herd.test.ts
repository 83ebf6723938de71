import { once } from 'node:events'
import { connect, createServer, type Server, type Socket } from 'node:net'
import { transportUnderTest } from '@proxy/test-servers/transport'
import { afterEach, describe, expect, it } from 'vitest'
import { Gateway, type Protocol, type Resolver, ResolveError } from '../src/index.ts'
import { type ColdStartOptions, cache, coldStart, limits, retry } from '../src/layers/index.ts'

const clients = 1_000

const cleanups: (() => unknown)[] = []
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup()
})

/** The client's first line is the key; it is echoed by the backend with the rest. Ready is who answers a question mark. */
const lines: Protocol = {
  api: 1,
  name: 'lines',
  speaksFirst: 'client',
  async serve(session) {
    const first = await session.client.peek((bytes) => bytes.indexOf(10) + 1)
    await session.relay(await session.route(first.toString().trim()))
  },
  refuse: (error) => `${error.code}\n`,
  async ready(upstream) {
    await upstream.write('?\n')
    await upstream.read((bytes) => bytes.indexOf(10) + 1)
  },
}

/** A backend that nobody listens for until it is started. */
class Sleeper {
  accepted = 0
  probes = 0
  wakes = 0
  listeningAt = 0
  port = 0
  readonly #server: Server

  constructor() {
    this.#server = createServer((socket) => this.#serve(socket))
    cleanups.push(() => this.#server.close())
  }

  /** Finds a port and leaves it again. */
  async reserve(): Promise<void> {
    const server = createServer().listen(0, '127.0.0.1')
    await once(server, 'listening')
    this.port = (server.address() as { port: number }).port
    server.close()
    await once(server, 'close')
  }

  listen(): void {
    this.#server.listen({ port: this.port, host: '127.0.0.1', backlog: 128 }, () => {
      this.listeningAt = performance.now()
    })
  }

  #serve(socket: Socket): void {
    this.accepted++
    socket.on('error', () => {})
    socket.on('data', (bytes) => {
      if (bytes[0] === 63) this.probes++
      socket.write(bytes)
    })
  }
}

async function herd(sleeper: Sleeper, startMs: number, options: ColdStartOptions = {}): Promise<Gateway> {
  await sleeper.reserve()
  const resolver: Resolver = {
    name: 'sleepy',
    resolve: ({ key }) => {
      if (key !== 'alpha') throw new ResolveError('NOT_FOUND')
      return { endpoint: `127.0.0.1:${sleeper.port}`, id: 'alpha', state: sleeper.wakes === 0 ? 'asleep' : 'ready' }
    },
    // As an engine that starts a container: it does not wait until somebody listens in there.
    wake: async (sleeping) => {
      sleeper.wakes++
      setTimeout(() => sleeper.listen(), startMs)
      return sleeping
    },
  }
  const gateway = new Gateway({
    listeners: [{ address: '127.0.0.1:0', protocol: lines }],
    resolver,
    layers: [limits({ maxConnectionsPerKey: 10_000 }), coldStart(options), cache(), retry()],
    guard: { allow: ['127.0.0.0/8'] },
    transport: transportUnderTest(),
  })
  await gateway.open()
  cleanups.push(() => gateway.close())
  return gateway
}

/** What a client was answered first, and when. */
async function answer(gateway: Gateway, key: string): Promise<{ readonly text: string; readonly at: number }> {
  const socket = connect(gateway.addresses[0]?.port ?? 0, '127.0.0.1')
  socket.on('error', () => {})
  cleanups.push(() => socket.destroy())
  socket.write(`${key}\n`)
  const [bytes] = await once(socket, 'data')
  return { text: String(bytes).trim(), at: performance.now() }
}

describe('a herd on a sleeping backend', () => {
  it('is served to the last by one start, soon after the backend serves', async () => {
    const sleeper = new Sleeper()
    const gateway = await herd(sleeper, 800)
    const waits: number[] = []
    gateway.hooks.on('session:end', ({ timing }) => waits.push(timing.wakeMs))
    const answers = await Promise.all(Array.from({ length: clients }, () => answer(gateway, 'alpha')))
    expect(new Set(answers.map(({ text }) => text))).toEqual(new Set(['alpha']))
    expect([sleeper.wakes, sleeper.probes, sleeper.accepted]).toEqual([1, 1, clients + 1])
    const late = answers.map(({ at }) => at - sleeper.listeningAt).toSorted((a, b) => a - b)
    // A hang, no figure: what a client is late by is that of a busy machine.
    expect(late.at(-1)).toBeLessThan(20_000)
    await gateway.close()
    expect(waits).toHaveLength(clients)
    expect(Math.max(...waits)).toBeGreaterThan(0)
  })

  it('is not dialled for by whom has left', async () => {
    const sleeper = new Sleeper()
    const gateway = await herd(sleeper, 1_000)
    const ended = Promise.withResolvers<void>()
    let left = 0
    gateway.hooks.on('session:end', ({ error }) => {
      if (error?.code === 'PROXY_CLIENT_GONE' && ++left === 50) ended.resolve()
    })
    const leavers = Array.from({ length: 50 }, () => connect(gateway.addresses[0]?.port ?? 0, '127.0.0.1'))
    for (const leaver of leavers) leaver.on('error', () => {}).write('alpha\n')
    const stayers = Array.from({ length: 50 }, () => answer(gateway, 'alpha'))
    await waiting(gateway, 100)
    for (const leaver of leavers) leaver.destroy()
    await ended.promise
    await Promise.all(stayers)
    expect([sleeper.wakes, sleeper.accepted]).toEqual([1, 51])
  })

  it('of unknown names wakes nothing', async () => {
    const sleeper = new Sleeper()
    const gateway = await herd(sleeper, 0)
    for (let round = 0; round < 10; round++) {
      const names = Array.from({ length: 100 }, (_, index) => `unknown-${round}-${index}`)
      const answers = await Promise.all(names.map((name) => answer(gateway, name)))
      expect(new Set(answers.map(({ text }) => text))).toEqual(new Set(['PROXY_RESOLVE_NOT_FOUND']))
    }
    expect(sleeper.wakes).toBe(0)
    expect(gateway.stats().layers['coldStart']).toMatchObject({ waiting: 0, wakes: [] })
  })

  it('whose backend does not come up gets its error at the deadline', async () => {
    const sleeper = new Sleeper()
    const gateway = await herd(sleeper, 3_600_000, { deadlineMs: 700 })
    const answers = await Promise.all(Array.from({ length: 100 }, () => answer(gateway, 'alpha')))
    expect(new Set(answers.map(({ text }) => text))).toEqual(new Set(['PROXY_WAKE_TIMEOUT']))
    expect(sleeper.wakes).toBe(1)
  })
})

it('wakes a backend that has stopped behind the resolver, for those that are refused', async () => {
  const sleeper = new Sleeper()
  await sleeper.reserve()
  const resolver: Resolver = {
    name: 'unaware',
    resolve: () => ({ endpoint: `127.0.0.1:${sleeper.port}`, id: 'alpha' }),
    wake: async (sleeping) => {
      sleeper.wakes++
      sleeper.listen()
      return sleeping
    },
  }
  const gateway = new Gateway({
    listeners: [{ address: '127.0.0.1:0', protocol: lines }],
    resolver,
    layers: [coldStart(), cache(), retry()],
    guard: { allow: ['127.0.0.0/8'] },
    transport: transportUnderTest(),
  })
  await gateway.open()
  cleanups.push(() => gateway.close())
  const answers = await Promise.all(Array.from({ length: 20 }, () => answer(gateway, 'alpha')))
  expect(new Set(answers.map(({ text }) => text))).toEqual(new Set(['alpha']))
  expect(sleeper.wakes).toBe(1)
})

/** Settles when so many wait for a start. */
async function waiting(gateway: Gateway, count: number): Promise<void> {
  while ((gateway.stats().layers['coldStart']?.['waiting'] as number) < count) {
    await new Promise((resolve) => setImmediate(resolve))
  }
}
