import { once } from 'node:events'
import net from 'node:net'
import type { Resolver } from '@proxy/kernel'
import { coldStart } from '@proxy/kernel/layers'
import { findFreePort, type PostgresServer, postgresServer } from '@proxy/test-servers'
import pg from 'pg'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { encodeFatal } from '../src/wire.ts'
import { openGateway, to } from './setup.ts'

let server: PostgresServer

beforeAll(async () => {
  server = await postgresServer({ databases: ['alpha'] })
})

afterAll(() => server.stop())

/** Answers the first connections in its own way, and passes the later ones on. */
async function moody(answers: readonly ((socket: net.Socket) => void)[]) {
  let count = 0
  const listener = net.createServer((client) => {
    client.on('error', () => undefined)
    const answer = answers[count++]
    if (answer !== undefined) return client.once('data', () => answer(client))
    const backend = net.connect(server.port, '127.0.0.1')
    return client.pipe(backend).pipe(client)
  })
  listener.listen(0, '127.0.0.1')
  await once(listener, 'listening')
  return {
    endpoint: `127.0.0.1:${(listener.address() as net.AddressInfo).port}`,
    get connections() {
      return count
    },
    async [Symbol.asyncDispose]() {
      listener.close()
      await once(listener, 'close')
    },
  }
}

const starting = (socket: net.Socket): unknown =>
  socket.end(encodeFatal({ code: '57P03', message: 'the database system is starting up' }))
const closing = (socket: net.Socket): unknown => socket.end()
const resetting = (socket: net.Socket): unknown => socket.resetAndDestroy()

const login = (port: number) => ({ host: '127.0.0.1', port, user: 'demo', password: 'demo', database: 'alpha' })

async function ask(port: number): Promise<unknown> {
  const client = new pg.Client(login(port))
  client.on('error', () => undefined)
  await client.connect()
  const { rows } = await client.query('select 1 as one')
  await client.end()
  return rows
}

describe('a backend that takes connections but no sessions', () => {
  test('is tried until it is ready', async () => {
    await using backend = await moody([starting, closing, resetting])
    await using gateway = await openGateway(() => backend.endpoint)
    expect(await ask(gateway.port)).toEqual([{ one: 1 }])
    expect(backend.connections).toBe(4)
  })

  test('gets its last word when time is up', async () => {
    await using backend = await moody(Array.from({ length: 100 }, () => starting))
    await using gateway = await openGateway(() => backend.endpoint, { protocol: { readinessTimeoutMs: 200 } })
    const error = { code: '57P03', message: 'the database system is starting up' }
    await expect(ask(gateway.port)).rejects.toMatchObject(error)
    expect(backend.connections).toBeGreaterThan(1)
  })

  test('is tried once when told so', async () => {
    await using backend = await moody([closing])
    await using gateway = await openGateway(() => backend.endpoint, { protocol: { readinessTimeoutMs: 0 } })
    await expect(ask(gateway.port)).rejects.toMatchObject({ code: '08006' })
    expect(backend.connections).toBe(1)
  })

  test('is not tried for a client that has left', async () => {
    await using backend = await moody(Array.from({ length: 100 }, () => starting))
    await using gateway = await openGateway(() => backend.endpoint)
    const dialled = new Promise((resolve) => gateway.gateway.hooks.on('dial:end', resolve))
    const ended = new Promise((resolve) => gateway.gateway.hooks.on('session:end', resolve))
    const client = new pg.Client(login(gateway.port))
    client.on('error', () => undefined)
    client.connect().catch(() => undefined)
    await dialled
    const { connection } = client as unknown as { connection: { stream: net.Socket } }
    connection.stream.destroy()
    expect(await ended).toMatchObject({ reason: 'client' })
    expect(backend.connections).toBeLessThan(100)
  })
})

test('a drain does not wait for a backend that is not ready', async () => {
  await using backend = await moody(Array.from({ length: 1000 }, () => starting))
  await using gateway = await openGateway(() => backend.endpoint, {
    protocol: { readinessTimeoutMs: 60_000 },
    listener: { limits: { handshakeTimeoutMs: 60_000 } },
  })
  const dialled = new Promise((resolve) => gateway.gateway.hooks.on('dial:end', resolve))
  const asked = ask(gateway.port).catch((error: unknown) => error)
  await dialled
  await gateway.gateway.drain()
  expect(await asked).toMatchObject({ code: '57P03' })
})

test.each<[string, ((socket: net.Socket) => unknown)[]]>([
  ['says nothing', [() => undefined]],
  ['never is ready', Array.from({ length: 100 }, () => starting)],
])('a backend that %s until the handshake’s time is over is to blame, not the client', async (_, answers) => {
  await using backend = await moody(answers)
  const listener = { limits: { handshakeTimeoutMs: 500 } }
  await using gateway = await openGateway(() => backend.endpoint, { listener })
  await expect(ask(gateway.port)).rejects.toMatchObject({
    code: '57P03',
    message: 'the backend took too long to answer',
  })
})

test('another error of the backend is passed on at once', async () => {
  const full = (socket: net.Socket): unknown => socket.end(encodeFatal({ code: '53300', message: 'full' }))
  await using backend = await moody([full])
  await using gateway = await openGateway(() => backend.endpoint)
  await expect(ask(gateway.port)).rejects.toMatchObject({ code: '53300', message: 'full' })
  expect(backend.connections).toBe(1)
})

test('a port that is closed is an error at once, without its number', async () => {
  const port = await findFreePort()
  await using gateway = await openGateway(() => `127.0.0.1:${port}`)
  const error = await ask(gateway.port).catch((cause: unknown) => cause)
  expect(error).toMatchObject({ code: '08006' })
  expect(JSON.stringify(error)).not.toContain(String(port))
})

test('a server that is just starting, in recovery', async () => {
  const crashed = await postgresServer({ databases: ['alpha'] })
  await using gateway = await openGateway(to(crashed))
  await crashed.halt('immediate')
  const restarted = crashed.start()
  // As soon as the port is open; before that there is nothing to wait for.
  while (!(await isOpen(crashed.port)));
  expect(await ask(gateway.port)).toEqual([{ one: 1 }])
  await restarted
  await crashed.stop()
})

test('a server that sleeps is started once, and everybody waits until it serves', async () => {
  const asleep = await postgresServer({ databases: ['alpha'], start: false })
  let starts = 0
  let awake = false
  const resolver: Resolver = {
    name: 'sleepy',
    resolve: () => ({ endpoint: asleep.endpoint, state: awake ? 'ready' : 'asleep' }),
    // As soon as it can be dialled, which is before it serves.
    async wake() {
      starts++
      void asleep.start()
      while (!(await isOpen(asleep.port)));
      awake = true
      return asleep.endpoint
    },
  }
  await using gateway = await openGateway(resolver, { layers: [coldStart()] })
  const answers = await Promise.all(Array.from({ length: 20 }, () => ask(gateway.port)))
  expect(answers).toEqual(answers.map(() => [{ one: 1 }]))
  expect(starts).toBe(1)
  await asleep.stop()
})

function isOpen(port: number): Promise<boolean> {
  const { promise, resolve } = Promise.withResolvers<boolean>()
  const socket = net.connect(port, '127.0.0.1')
  socket.once('connect', () => resolve(true)).once('error', () => resolve(false))
  return promise.finally(() => socket.destroy())
}
