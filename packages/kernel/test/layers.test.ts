import { once } from 'node:events'
import { connect, createServer, type Socket } from 'node:net'
import { transportUnderTest } from '@proxy/test-servers/transport'
import { afterEach, describe, expect, it } from 'vitest'
import {
  backend,
  Gateway,
  type GatewayOptions,
  type Protocol,
  type Resolution,
  type Resolver,
  ResolveError,
} from '../src/index.ts'
import { cache, coldStart, limits, retry } from '../src/layers/index.ts'

const cleanups: (() => unknown)[] = []
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup()
})

/** The client's first line is the key; it is echoed by the backend with the rest. */
const lines: Protocol = {
  api: 1,
  name: 'lines',
  speaksFirst: 'client',
  async serve(session) {
    const first = await session.client.peek((bytes) => bytes.indexOf(10) + 1)
    await session.relay(await session.route(first.toString().trim()))
  },
  refuse: (error) => `${error.code}\n`,
}

async function echo(): Promise<{ endpoint: string; readonly accepted: number }> {
  let accepted = 0
  const server = createServer((socket) => {
    accepted += 1
    socket.on('error', () => {})
    socket.pipe(socket)
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  cleanups.push(() => server.close())
  return {
    endpoint: `127.0.0.1:${(server.address() as { port: number }).port}`,
    get accepted() {
      return accepted
    },
  }
}

/** An endpoint where nobody listens any more. */
async function closedPort(): Promise<string> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as { port: number }
  server.close()
  await once(server, 'close')
  return `127.0.0.1:${port}`
}

async function gateway(options: Omit<GatewayOptions, 'listeners'>): Promise<{ made: Gateway; port: number }> {
  const listeners = [{ address: '127.0.0.1:0', protocol: lines }]
  const made = new Gateway({
    listeners,
    guard: { allow: ['127.0.0.0/8', '::1'] },
    transport: transportUnderTest(),
    ...options,
  })
  await made.open()
  cleanups.push(() => made.close())
  return { made, port: made.addresses[0]?.port ?? 0 }
}

function open(port: number): Socket {
  const socket = connect(port, '127.0.0.1')
  socket.on('error', () => {})
  cleanups.push(() => socket.destroy())
  return socket
}

/** Says a line and gives the first answer: the echo, or the error's code. */
async function ask(socket: Socket, key: string): Promise<string> {
  socket.write(`${key}\n`)
  const [answer] = await once(socket, 'data')
  return String(answer).trim()
}

describe('coldStart, before a cache', () => {
  it('starts a backend once for 200 clients that come together, and asks no more once it is ready', async () => {
    const server = await echo()
    let wakes = 0
    let asked = 0
    let state: 'asleep' | 'ready' = 'asleep'
    const ready = Promise.withResolvers<void>()
    const resolver: Resolver = {
      name: 'sleepy',
      resolve: async () => {
        asked += 1
        return { endpoint: server.endpoint, id: 'alpha', state }
      },
      wake: async (sleeping) => {
        wakes += 1
        await ready.promise
        state = 'ready'
        return sleeping
      },
    }
    const { made, port } = await gateway({ resolver, layers: [coldStart(), cache()] })
    const started: unknown[] = []
    made.hooks.on('wake:start', (event) => {
      started.push(event)
      setImmediate(ready.resolve)
    })
    const answers = await Promise.all(Array.from({ length: 200 }, () => ask(open(port), 'alpha')))
    expect(new Set(answers)).toEqual(new Set(['alpha']))
    expect([wakes, started.length]).toEqual([1, 1])
    await ask(open(port), 'alpha')
    const before = asked
    await ask(open(port), 'alpha')
    expect(asked).toBe(before)
  })

  it('dials nothing for a client that leaves while its backend starts', async () => {
    const server = await echo()
    const waking = Promise.withResolvers<void>()
    const ready = Promise.withResolvers<Resolution>()
    const resolver: Resolver = {
      name: 'sleepy',
      resolve: () => ({ endpoint: server.endpoint, id: 'alpha', state: 'asleep' }),
      wake: () => {
        waking.resolve()
        return ready.promise
      },
    }
    const { made, port } = await gateway({ resolver, layers: [coldStart()] })
    const ended = Promise.withResolvers<unknown>()
    made.hooks.on('session:end', ({ error }) => ended.resolve(error?.code))
    const leaver = open(port)
    leaver.write('alpha\n')
    await waking.promise
    leaver.end()
    expect(await ended.promise).toBe('PROXY_CLIENT_GONE')
    ready.resolve(server.endpoint)
    expect(await ask(open(port), 'alpha')).toBe('alpha')
    // The probe, and the one that stayed.
    expect(server.accepted).toBe(2)
  })
})

describe('limits, before coldStart', () => {
  it('refuses before anything is woken, and makes room when a session ends', async () => {
    const server = await echo()
    let asked = 0
    const resolver = () => {
      asked += 1
      return server.endpoint
    }
    const { made, port } = await gateway({ resolver, layers: [limits({ maxConnectionsPerKey: 1 }), coldStart()] })
    const first = open(port)
    expect(await ask(first, 'alpha')).toBe('alpha')
    expect(await ask(open(port), 'alpha')).toBe('PROXY_LIMIT_CONNECTIONS')
    expect(asked).toBe(1)
    const ended = Promise.withResolvers<void>()
    made.hooks.on('session:end', ({ outcome }) => {
      if (outcome === 'relayed') ended.resolve()
    })
    first.destroy()
    await ended.promise
    expect(await ask(open(port), 'alpha')).toBe('alpha')
  })
})

describe('retry', () => {
  it('reaches the endpoint that is alive', async () => {
    const server = await echo()
    const resolver = async () => ({ endpoint: [await closedPort(), server.endpoint] })
    const { port } = await gateway({ resolver, layers: [retry()] })
    expect(await ask(open(port), 'alpha')).toBe('alpha')
    const without = await gateway({ resolver })
    expect(await ask(open(without.port), 'alpha')).toBe('PROXY_DIAL_REFUSED')
  })
})

describe('the guard', () => {
  it('is on by default, by number and by name', async () => {
    const { endpoint } = await echo()
    const resolver = ({ key }: { key: string }) =>
      key === 'name' ? endpoint.replace('127.0.0.1', 'localhost') : endpoint
    const closed = await gateway({ resolver, guard: undefined })
    expect(await ask(open(closed.port), 'number')).toBe('PROXY_DIAL_FORBIDDEN')
    expect(await ask(open(closed.port), 'name')).toBe('PROXY_DIAL_FORBIDDEN')
    const allowing = await gateway({ resolver })
    expect(await ask(open(allowing.port), 'number')).toBe('number')
    expect(await ask(open(allowing.port), 'name')).toBe('name')
  })

  it('does not let the gateway dial itself', async () => {
    let own = 0
    const { port } = await gateway({ resolver: ({ key }) => `${key}:${own}` })
    own = port
    for (const host of ['127.0.0.1', 'localhost', '0.0.0.0'])
      expect(await ask(open(port), host)).toBe('PROXY_DIAL_LOOP')
  })
})

it('asks the resolver again after a purge', async () => {
  const servers = [await echo(), await echo()] as const
  let current: (typeof servers)[number] | undefined = servers[0]
  const resolver = () => {
    if (current === undefined) throw new ResolveError('NOT_FOUND')
    return backend(current.endpoint)
  }
  const { made, port } = await gateway({ resolver, layers: [cache()] })
  await ask(open(port), 'alpha')
  current = servers[1]
  await ask(open(port), 'alpha')
  await made.purge('alpha')
  await ask(open(port), 'alpha')
  expect([servers[0].accepted, servers[1].accepted]).toEqual([2, 1])
  current = undefined
  await made.purge('alpha')
  expect(await ask(open(port), 'alpha')).toBe('PROXY_RESOLVE_NOT_FOUND')
})
