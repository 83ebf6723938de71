import { once } from 'node:events'
import net from 'node:net'
import type { Resolver } from '@proxy/kernel'
import { coldStart } from '@proxy/kernel/layers'
import { describeNeeding, findFreePort, type MariadbServer, mariadbServer } from '@proxy/test-servers'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { cli, clients, connectMysql2, type Login, type Outcome } from './clients.ts'
import { asRoot, packet } from './raw.ts'
import { openGateway, to } from './setup.ts'

let server: MariadbServer

const ask = (login: Login): Promise<Outcome> => clients.mysql2(login, 'select 1')

/** Answers the first connections in its own way, and passes the later ones on. */
async function moody(answers: readonly ((socket: net.Socket) => unknown)[]) {
  let count = 0
  const listener = net.createServer((client) => {
    client.on('error', () => undefined)
    const answer = answers[count++]
    if (answer !== undefined) return void answer(client)
    const backend = net.connect(server.port, '127.0.0.1')
    backend.on('error', () => undefined)
    return void client.pipe(backend).pipe(client)
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

const closing = (socket: net.Socket): unknown => socket.end()
const resetting = (socket: net.Socket): unknown => socket.resetAndDestroy()

/** An error in place of the greeting has no SQL state: the server knows nothing of the client yet. */
const refusing =
  (code: number, text: string) =>
  (socket: net.Socket): unknown =>
    socket.end(packet(0, Buffer.concat([Buffer.from([255, code & 255, code >> 8]), Buffer.from(text)])))

describeNeeding(['mariadbd', 'mariadb'], 'backends', () => {
  beforeAll(async () => {
    server = await mariadbServer({ databases: ['alpha'], settings: ['--max-connections=10'] })
  })

  afterAll(() => server.stop())

  describe('that take connections but no sessions', () => {
    test('are tried until they are ready', async () => {
      await using backend = await moody([closing, resetting, closing])
      await using gateway = await openGateway(() => backend.endpoint)
      expect(await ask({ port: gateway.port, database: 'alpha' })).toEqual({ row: [1] })
      expect(backend.connections).toBeGreaterThan(3)
    })

    test('are an error when time is up', async () => {
      await using backend = await moody(Array.from({ length: 1_000 }, () => closing))
      await using gateway = await openGateway(() => backend.endpoint, { protocol: { readinessTimeoutMs: 200 } })
      const outcome = await ask({ port: gateway.port, database: 'alpha' })
      expect(outcome.code).toBeGreaterThan(0)
      expect(outcome.message).not.toContain('127.0.0.1')
      expect(backend.connections).toBeGreaterThan(1)
    })

    test('are tried once when told so', async () => {
      await using backend = await moody([closing])
      await using gateway = await openGateway(() => backend.endpoint, { protocol: { readinessTimeoutMs: 0 } })
      expect(await clients.cli({ port: gateway.port, database: 'alpha' }, 'select 1')).toHaveProperty('code')
      expect(backend.connections).toBe(1)
    })

    test('and say nothing, are to blame when the handshake’s time is over', async () => {
      await using backend = await moody([() => undefined])
      const listener = { limits: { handshakeTimeoutMs: 500 } }
      await using gateway = await openGateway(() => backend.endpoint, { listener })
      const outcome = await ask({ port: gateway.port, database: 'alpha' })
      expect(outcome).toMatchObject({ message: expect.stringContaining('backend') as string })
    })
  })

  test.each([
    [1040, 'Too many connections'],
    [1129, `Host 'x' is blocked because of many connection errors`],
  ])('an error %d in place of the greeting is the answer to the login', async (code, text) => {
    await using backend = await moody([refusing(code, text)])
    await using gateway = await openGateway(() => backend.endpoint)
    for (const client of Object.values(clients)) {
      await using again = await moody([refusing(code, text)])
      await using other = await openGateway(() => again.endpoint)
      expect(await client({ port: other.port, database: 'alpha' }, 'select 1')).toEqual({ code, message: text })
    }
    expect(await ask({ port: gateway.port, database: 'alpha' })).toEqual({ code, message: text })
  })

  test('a server that is full says so itself', async () => {
    await using gateway = await openGateway(to(server))
    // One more than the limit is for the superuser only.
    const direct = Array.from({ length: 11 }, (_, i) =>
      connectMysql2({ port: server.port, ...(i === 10 ? { user: 'root', password: 'root' } : {}) }),
    )
    const held = await Promise.all(direct)
    expect(await ask({ port: gateway.port, database: 'alpha' })).toEqual({
      code: 1040,
      message: 'Too many connections',
    })
    await held[0]!.end()
    await Promise.all(held.slice(1).map((connection) => connection.end()))
    expect(await asRoot(server.port, 'select 1')).toBe('1\n')
  })

  test('a port that is closed is an error at once, without its number', async () => {
    const port = await findFreePort()
    await using gateway = await openGateway(() => `127.0.0.1:${port}`)
    const outcome = await clients.cli({ port: gateway.port, database: 'alpha' }, 'select 1')
    expect(outcome.message).toContain('backend')
    expect(outcome.message).not.toContain(String(port))
  })

  test('a server that is none', async () => {
    const http = (socket: net.Socket): unknown => socket.end('HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n')
    await using backend = await moody(Array.from({ length: 1_000 }, () => http))
    await using gateway = await openGateway(() => backend.endpoint, { protocol: { readinessTimeoutMs: 200 } })
    const outcome = await ask({ port: gateway.port, database: 'alpha' })
    expect(outcome).toMatchObject({ message: expect.stringContaining('backend') as string })
    expect(outcome.message).not.toContain('HTTP')
  })

  test('a server that is killed in a session ends it, and its successor serves', async () => {
    const mortal = await mariadbServer({ databases: ['alpha'] })
    await using gateway = await openGateway(to(mortal))
    const connection = await connectMysql2({ port: gateway.port, database: 'alpha' })
    connection.on('error', () => undefined)
    const query = connection.query('select sleep(60) from (select 1) as t').catch((error: unknown) => error)
    await mortal.halt('immediate')
    expect(await query).toMatchObject({ code: expect.stringMatching(/PROTOCOL_CONNECTION_LOST|ECONNRESET/) as string })
    connection.destroy()
    expect(await ask({ port: gateway.port, database: 'alpha' })).toHaveProperty('code')
    await mortal.start()
    expect(await ask({ port: gateway.port, database: 'alpha' })).toEqual({ row: [1] })
    await mortal.stop()
  })

  test('a server that sleeps is started once, and everybody waits until it serves', async () => {
    const asleep = await mariadbServer({ databases: ['alpha'], start: false })
    let starts = 0
    let awake = false
    const resolver: Resolver = {
      name: 'sleepy',
      resolve: () => ({ endpoint: asleep.endpoint, state: awake ? 'ready' : 'asleep' }),
      async wake() {
        starts++
        await asleep.start()
        awake = true
        return asleep.endpoint
      },
    }
    await using gateway = await openGateway(resolver, { layers: [coldStart()] })
    const login = { port: gateway.port, database: 'alpha' }
    const answers = await Promise.all(Array.from({ length: 20 }, () => ask(login)))
    expect(answers).toEqual(answers.map(() => ({ row: [1] })))
    expect(starts).toBe(1)
    await asleep.stop()
  })

  test('a server that is never ready is an error of the connection, in time', async () => {
    const resolver: Resolver = {
      name: 'sleepy',
      resolve: () => ({ endpoint: '127.0.0.1:1', state: 'asleep' }),
      wake: () => new Promise(() => undefined),
    }
    await using gateway = await openGateway(resolver, { layers: [coldStart({ deadlineMs: 200 })] })
    const { stderr } = await cli({ port: gateway.port, database: 'alpha' }, 'select 1')
    expect(stderr).toMatch(/ERROR \d+ \(08S01\)/)
  })
})
