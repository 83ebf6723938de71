import { once } from 'node:events'
import { connect, createServer, type Server, type Socket } from 'node:net'
import { transportUnderTest } from '@proxy/test-servers/transport'
import { afterEach, describe, expect, it } from 'vitest'
import type { GatewayOptions, Protocol, Resolver, Session } from './contracts.ts'
import { GatewayError, ResolveError } from './errors.ts'
import { Gateway } from './gateway.ts'
import type { SessionEndEvent } from './hooks.ts'
import { fixedResolver, staticResolver } from './resolvers/index.ts'

const cleanups: (() => unknown)[] = []
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup()
})

const line = (bytes: Buffer) => bytes.indexOf(10) + 1

/** One line names the tenant, then bytes are relayed, that line included. */
function lines(overrides: Partial<Protocol> = {}): Protocol {
  return {
    api: 1,
    name: 'lines',
    speaksFirst: 'client',
    halfClose: true,
    async serve(session) {
      const first = await session.client.peek(line)
      const upstream = await session.route(first.toString().trim())
      await session.relay(upstream, { quiet: (tail) => tail.toString().endsWith('.\n'), goodbye: Buffer.from('bye\n') })
    },
    refuse: (error) => `ERR ${error.code}\n`,
    ...overrides,
  }
}

async function server(onSocket: (socket: Socket) => void): Promise<number> {
  const made: Server = createServer({ allowHalfOpen: true }, (socket) => {
    socket.on('error', () => {})
    onSocket(socket)
  })
  made.listen(0, '127.0.0.1')
  await once(made, 'listening')
  cleanups.push(() => made.close())
  return (made.address() as { port: number }).port
}

const echo = () => server((socket) => socket.pipe(socket))

async function gateway(options: Partial<GatewayOptions> & Pick<GatewayOptions, 'resolver'>) {
  const made = new Gateway({
    listeners: [{ address: '127.0.0.1:0', protocol: lines() }],
    guard: false,
    transport: transportUnderTest(),
    ...options,
  })
  const ends: SessionEndEvent[] = []
  const errors: unknown[] = []
  made.hooks.on('session:end', (event) => ends.push(event))
  made.hooks.on('gateway:error', (event) => errors.push(event.error))
  await made.open()
  cleanups.push(() => made.close())
  const ended = async (count = 1) => {
    while (ends.length < count) await new Promise((resolve) => setImmediate(resolve))
    return ends[count - 1] as SessionEndEvent
  }
  return { made, ends, errors, ended, port: made.addresses[0]?.port ?? 0 }
}

function client(port: number): Socket {
  const socket = connect({ port, host: '127.0.0.1', allowHalfOpen: true })
  socket.on('error', () => {})
  cleanups.push(() => socket.destroy())
  return socket
}

async function all(socket: Socket): Promise<string> {
  const chunks: Buffer[] = []
  for await (const chunk of socket) chunks.push(chunk as Buffer)
  return Buffer.concat(chunks).toString()
}

const at = (port: number) => fixedResolver(`127.0.0.1:${port}`)

describe('a session', () => {
  it('is routed by what the client says, relayed, and ends once', async () => {
    const { port, ended, ends } = await gateway({ resolver: at(await echo()) })
    const socket = client(port)
    socket.end('alpha\nhello')
    expect(await all(socket)).toBe('alpha\nhello')
    expect(await ended()).toMatchObject({ outcome: 'relayed', reason: 'client', key: 'alpha', bytesFromClient: 11 })
    expect(ends).toHaveLength(1)
  })

  it('is relayed whole although the client closed its side while it was routed', async () => {
    const backend = await echo()
    const release = Promise.withResolvers<string>()
    const resolver = () => release.promise
    const { port } = await gateway({
      resolver,
    })
    const socket = client(port)
    socket.end('alpha\n')
    await once(socket, 'connect')
    setImmediate(() => release.resolve(`127.0.0.1:${backend}`))
    expect(await all(socket)).toBe('alpha\n')
  })

  it('is aborted when its client leaves while it is routed: nothing is dialled', async () => {
    let dialled = 0
    const release = Promise.withResolvers<string>()
    const asked = Promise.withResolvers<AbortSignal>()
    const backend = await server(() => {
      dialled += 1
    })
    const resolver: Resolver = {
      name: 'slow',
      resolve: (_request, signal) => {
        asked.resolve(signal)
        return release.promise
      },
    }
    const listeners = [{ address: '127.0.0.1:0', protocol: lines({ halfClose: false }) }]
    const { port, ended } = await gateway({ resolver, listeners })
    const socket = client(port)
    socket.write('alpha\n')
    const signal = await asked.promise
    socket.end()
    if (!signal.aborted) await once(signal, 'abort')
    release.resolve(`127.0.0.1:${backend}`)
    expect(await ended()).toMatchObject({ outcome: 'failed', reason: 'client' })
    expect(dialled).toBe(0)
  })

  it('ends with a reset towards the backend when the client resets', async () => {
    const seen = Promise.withResolvers<string>()
    const backend = await server((socket) => {
      socket.on('error', (error: NodeJS.ErrnoException) => seen.resolve(error.code ?? ''))
      socket.write('hi\n')
      socket.resume()
    })
    const { port, ended } = await gateway({ resolver: at(backend) })
    const socket = client(port)
    socket.write('alpha\n')
    await once(socket, 'data')
    socket.resetAndDestroy()
    expect(await seen.promise).toBe('ECONNRESET')
    expect(await ended()).toMatchObject({ outcome: 'relayed', reason: 'client_reset' })
  })

  it('calls the resolver once per session and resource', async () => {
    const calls: string[] = []
    const backend = await echo()
    const resolver: Resolver = {
      name: 'counting',
      resolve: () => `127.0.0.1:${backend}`,
      track: (key) => calls.push(`track ${key}`),
      onConnect: (key) => calls.push(`connect ${key}`),
      onDisconnect: (key) => calls.push(`disconnect ${key}`),
    }
    const protocol = lines({
      async serve(session) {
        const first = (await session.client.peek(line)).toString().trim()
        void session.resolve(first)
        await session.relay(await session.route(first))
      },
    })
    const { port, ended } = await gateway({ resolver, listeners: [{ address: '127.0.0.1:0', protocol }] })
    const socket = client(port)
    socket.end('a\n')
    await all(socket)
    await ended()
    expect(calls).toEqual(['track a', 'connect a', 'track a', 'disconnect a'])
  })
})

describe('an answer', () => {
  it('without a backend is no relay, although one was asked for', async () => {
    const serve = async (session: Session) => {
      await Promise.resolve()
        .then(() => session.resolve('nobody'))
        .catch(() => {})
      await session.client.write('no such tenant\n')
    }
    const resolver = () => {
      throw new ResolveError('NOT_FOUND')
    } // prettier-ignore
    const listeners = [{ address: '127.0.0.1:0', protocol: lines({ serve }) }]
    const { port, ended } = await gateway({ resolver, listeners })
    const socket = client(port)
    expect(await all(socket)).toBe('no such tenant\n')
    socket.end()
    expect(await ended()).toMatchObject({ outcome: 'answered', key: 'nobody' })
  })
})

describe('the last bytes of a session', () => {
  it('reach a client that has closed its side, however slowly it reads', async () => {
    const size = 8_000_000
    const serve = async (session: Session) => {
      await session.client.read(line)
      // Rejects when the client's FIN is there.
      await session.client.peek(line).catch(() => {})
      // Not awaited: the session ends while most of it is still on its way.
      void session.client.write(Buffer.alloc(size, 'x')).catch(() => {})
    }
    const listeners = [{ address: '127.0.0.1:0', protocol: lines({ serve }) }]
    const { port } = await gateway({ resolver: at(1), listeners })
    const socket = client(port)
    socket.end('a\n')
    expect((await all(socket)).length).toBe(size)
  })
})

describe('a refusal', () => {
  const refusals: [string, () => string, string][] = [
    [
      'an unknown tenant',
      () => {
        throw new ResolveError('NOT_FOUND')
      },
      'PROXY_RESOLVE_NOT_FOUND',
    ],
    [
      'a resolver that breaks',
      () => {
        throw new TypeError('oops 10.0.0.1')
      },
      'PROXY_RESOLVE_INTERNAL',
    ],
    ['a nonsense answer', () => 'not an endpoint:99999999', 'PROXY_RESOLVE_INTERNAL'],
    ['a closed port', () => '127.0.0.1:1', 'PROXY_DIAL_REFUSED'],
  ] // prettier-ignore

  it.each(refusals)("for %s is in the protocol's own words", async (_name, resolver, code) => {
    const { port, ended } = await gateway({ resolver })
    const socket = client(port)
    socket.write('alpha\n')
    expect(await all(socket)).toBe(`ERR ${code}\n`)
    socket.end()
    expect((await ended()).error?.code).toBe(code)
  })

  it('reaches a client that keeps sending', async () => {
    const { port } = await gateway({
      resolver: () => {
        throw new ResolveError('FORBIDDEN')
      },
    }) // prettier-ignore
    const socket = client(port)
    socket.write('alpha\n')
    socket.write(Buffer.alloc(1_000_000))
    expect(await all(socket)).toBe('ERR PROXY_RESOLVE_FORBIDDEN\n')
  })

  it('ends a client that says nothing, when the handshake deadline has passed', async () => {
    const listeners = [{ address: '127.0.0.1:0', protocol: lines(), limits: { handshakeTimeoutMs: 20 } }]
    const { port, ended } = await gateway({ resolver: at(1), listeners })
    const socket = client(port)
    expect(await all(socket)).toBe('ERR PROXY_PEEK_TIMEOUT\n')
    socket.end()
    expect(await ended()).toMatchObject({ outcome: 'refused', reason: 'handshake_timeout' })
  })

  it('ends a client whose opening never ends', async () => {
    const listeners = [{ address: '127.0.0.1:0', protocol: lines(), limits: { maxHandshakeBytes: 1_000 } }]
    const { port } = await gateway({ resolver: at(1), listeners })
    const socket = client(port)
    socket.write(Buffer.alloc(5_000, 'x'))
    expect(await all(socket)).toBe('ERR PROXY_PEEK_OVERFLOW\n')
  })

  it('meets the connection over the limit, not the ones within', async () => {
    const listeners = [{ address: '127.0.0.1:0', protocol: lines(), limits: { maxConnections: 1 } }]
    const { port } = await gateway({ resolver: at(await echo()), listeners })
    const first = client(port)
    first.write('a\n')
    await once(first, 'data')
    expect(await all(client(port))).toBe('ERR PROXY_LIMIT_CONNECTIONS\n')
    first.write('b\n')
    expect(String(await once(first, 'data'))).toBe('b\n')
  })

  it('meets new connections over the rate', async () => {
    const listeners = [{ address: '127.0.0.1:0', protocol: lines(), limits: { maxConnectionRate: 0.001 } }]
    const { port } = await gateway({ resolver: at(await echo()), listeners })
    expect(await all(client(port))).toBe('ERR PROXY_LIMIT_RATE\n')
  })

  it('is not spoken once the relay has begun', async () => {
    const backend = await server((socket) => socket.end('data'))
    const serve = async (session: Session) => {
      await session.client.peek(line)
      await session.relay(await session.route('a'))
      throw new GatewayError('PROXY_INTERNAL')
    }
    const listeners = [{ address: '127.0.0.1:0', protocol: lines({ serve }) }]
    const { port } = await gateway({ resolver: at(backend), listeners })
    const socket = client(port)
    socket.end('a\n')
    expect(await all(socket)).toBe('data')
  })

  it('of an error that is none of ours says nothing of it', async () => {
    const serve = () => Promise.reject(new TypeError('10.0.0.1 is secret'))
    const listeners = [{ address: '127.0.0.1:0', protocol: lines({ serve }) }]
    const { port, errors } = await gateway({ resolver: at(1), listeners })
    expect(await all(client(port))).toBe('ERR PROXY_INTERNAL\n')
    expect(errors).toEqual([new TypeError('10.0.0.1 is secret')])
  })
})

describe('a gateway', () => {
  it('opens all of its listeners or none', async () => {
    const taken = await echo()
    const listeners = [
      { address: '127.0.0.1:0', protocol: lines() },
      { address: `127.0.0.1:${taken}`, protocol: lines(), name: 'second' },
    ]
    const made = new Gateway({ listeners, resolver: at(1) })
    await expect(made.open()).rejects.toMatchObject({
      code: 'PROXY_LISTEN_FAILED',
      message: expect.stringContaining(`${taken}`),
    })
    expect(made.phase).toBe('closed')
  })

  it('refuses options that make no sense before anything is bound', () => {
    const protocol = lines({ speaksFirst: 'server' })
    expect(() => new Gateway({ listeners: [], resolver: at(1) })).toThrow('empty')
    expect(() => new Gateway({ listeners: [{ address: 'x:y', protocol }], resolver: at(1) })).toThrow()
    expect(
      () => new Gateway({ listeners: [{ address: ':0', protocol: [protocol, lines()] }], resolver: at(1) }),
    ).toThrow('speaks first')
  })

  it('lets sessions finish when it drains', async () => {
    const { made, port, ended } = await gateway({ resolver: at(await echo()) })
    const socket = client(port)
    socket.write('a\n')
    await once(socket, 'data')
    const drained = made.drain({ deadlineMs: 60_000 })
    expect(made.phase).toBe('draining')
    socket.end('last')
    expect(await all(socket)).toBe('last')
    await drained
    expect(made.phase).toBe('closed')
    expect(await ended()).toMatchObject({ outcome: 'relayed', reason: 'client' })
  })

  it('says goodbye to sessions that outlast the drain deadline', async () => {
    const { made, port, ended } = await gateway({ resolver: at(await echo()) })
    const socket = client(port)
    socket.write('a\n')
    await once(socket, 'data')
    const rest = all(socket)
    await made.drain({ deadlineMs: 10 })
    expect(await rest).toBe('bye\n')
    expect(await ended()).toMatchObject({ outcome: 'relayed', reason: 'drain' })
  })

  it('cuts a quiet session early', async () => {
    const { made, port, ended } = await gateway({ resolver: at(await echo()) })
    const socket = client(port)
    socket.write('done.\n')
    await once(socket, 'data')
    const rest = all(socket)
    await made.drain({ deadlineMs: 3_600_000 })
    expect(await rest).toBe('bye\n')
    expect(await ended()).toMatchObject({ reason: 'drain' })
  })

  it('reloads without closing the port or its sessions', async () => {
    const { made, port } = await gateway({ resolver: at(await echo()) })
    const before = client(port)
    before.write('a\n')
    await once(before, 'data')
    const other = await server((socket) => socket.end('other'))
    await made.reload({
      listeners: [{ address: `127.0.0.1:${port}`, protocol: lines() }],
      resolver: at(other),
      guard: false,
    })
    const after = client(port)
    after.end('a\n')
    expect(await all(after)).toBe('other')
    before.end('still here')
    expect(await all(before)).toBe('still here')
  })

  it('closes a resolver with the last configuration that it served, and not before', async () => {
    const closed: string[] = []
    const backend = await echo()
    const named = (name: string): Resolver => ({
      name,
      resolve: () => `127.0.0.1:${backend}`,
      close: async () => void closed.push(name),
    })
    const [kept, next] = [named('kept'), named('next')]
    const { made, port, ended } = await gateway({ resolver: kept })
    const listeners = [{ address: `127.0.0.1:${port}`, protocol: lines() }]
    const session = client(port)
    session.write('a\n')
    await once(session, 'data')
    await made.reload({ listeners, resolver: kept, guard: false })
    await made.reload({ listeners, resolver: next, guard: false })
    expect(closed).toEqual([])
    session.end()
    await ended()
    expect(closed).toEqual(['kept'])
  })

  it('keeps everything as it was when a reload fails', async () => {
    const taken = await echo()
    const { made, port } = await gateway({ resolver: staticResolver({ a: `127.0.0.1:${await echo()}` }) })
    const listeners = [
      { address: `127.0.0.1:${port}`, protocol: lines() },
      { address: `127.0.0.1:${taken}`, protocol: lines(), name: 'taken' },
    ]
    await expect(made.reload({ listeners, resolver: at(1) })).rejects.toMatchObject({ code: 'PROXY_LISTEN_FAILED' })
    const socket = client(port)
    socket.end('a\n')
    expect(await all(socket)).toBe('a\n')
  })

  it('ends the delay of a drain that a close overtakes', async () => {
    const { made } = await gateway({ resolver: at(1) })
    const drained = made.drain({ delayMs: 60_000 })
    await made.close()
    await drained
    expect(made.phase).toBe('closed')
  })

  it('ends a drain that a close overtakes', async () => {
    const { made, port } = await gateway({ resolver: at(await echo()) })
    const socket = client(port)
    socket.write('a\n')
    await once(socket, 'data')
    const drained = made.drain({ deadlineMs: 3_600_000 })
    await new Promise((resolve) => setImmediate(resolve))
    await made.close()
    await drained
    expect(made.phase).toBe('closed')
  })

  it('is closed when its resolver is', async () => {
    const order: string[] = []
    const resolver: Resolver = {
      name: 'slow to close',
      resolve: () => '127.0.0.1:1',
      async close() {
        await new Promise((resolve) => setImmediate(resolve))
        order.push('resolver')
      },
    }
    const { made } = await gateway({ resolver })
    await made.close()
    order.push('gateway')
    expect(order).toEqual(['resolver', 'gateway'])
  })

  it('shares a port by detection', async () => {
    const named = (name: string, byte: string): Protocol =>
      lines({
        name,
        detect: (prefix) => (prefix.length < 2 ? undefined : prefix.toString('latin1', 1, 2) === byte),
        async serve(session) {
          await session.client.write(`${name}\n`)
        },
      })
    const listeners = [{ address: '127.0.0.1:0', protocol: [named('one', '1'), named('two', '2')] }]
    const { port } = await gateway({ resolver: at(1), listeners })
    const first = client(port)
    first.write('x')
    await once(first, 'connect')
    first.write('2')
    expect(await all(first)).toBe('two\n')
    const second = client(port)
    second.write('x1')
    expect(await all(second)).toBe('one\n')
  })

  it('leaves nothing behind after 2,000 sessions', async () => {
    const { made, port, ended } = await gateway({ resolver: at(await echo()) })
    for (let batch = 0; batch < 20; batch += 1) {
      const sockets = Array.from({ length: 100 }, () => client(port))
      await Promise.all(
        sockets.map((socket, index) =>
          index % 2 ? once(socket.end('a\n').resume(), 'close') : once(socket.destroy(), 'close'),
        ),
      )
    }
    await ended(1_000)
    while (made.stats().sessions > 0) await new Promise((resolve) => setImmediate(resolve))
    expect(made.stats().listeners[0]?.connections).toBe(0)
  })
})

describe('PROXY protocol', () => {
  const withProxy = (trusted: string[]) => [{ address: '127.0.0.1:0', protocol: lines(), proxyProtocol: { trusted } }]

  it('names the client when a trusted sender says so', async () => {
    const { port, ended } = await gateway({ resolver: at(await echo()), listeners: withProxy(['127.0.0.0/8']) })
    const socket = client(port)
    socket.end('PROXY TCP4 192.0.2.7 192.0.2.8 1234 5432\r\na\n')
    expect(await all(socket)).toBe('a\n')
    expect((await ended()).client).toEqual({ host: '192.0.2.7', port: 1234 })
  })

  it('is required from trusted senders and never parsed from others', async () => {
    const backend = await echo()
    const trusted = await gateway({ resolver: at(backend), listeners: withProxy(['127.0.0.1']) })
    const silent = client(trusted.port)
    silent.write('alpha\n')
    expect(await all(silent)).toBe('ERR PROXY_PROXY_HEADER\n')
    const others = await gateway({ resolver: at(backend), listeners: withProxy(['10.0.0.0/8']) })
    const liar = client(others.port)
    liar.end('PROXY TCP4 192.0.2.7 192.0.2.8 1234 5432\r\n')
    expect(await all(liar)).toBe('PROXY TCP4 192.0.2.7 192.0.2.8 1234 5432\r\n')
    expect((await others.ended()).client.host).toBe('127.0.0.1')
  })

  it('is sent to a backend that asks for it, before anything else', async () => {
    const backend = await echo()
    const resolver = () => ({ endpoint: `127.0.0.1:${backend}`, proxyProtocol: 1 as const })
    const { port } = await gateway({ resolver })
    const socket = client(port)
    socket.end('a\n')
    const { localPort } = await once(socket, 'connect').then(() => socket)
    expect(await all(socket)).toBe(`PROXY TCP4 127.0.0.1 127.0.0.1 ${localPort} ${port}\r\na\n`)
  })
})
