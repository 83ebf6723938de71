import { once } from 'node:events'
import net from 'node:net'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { describeNeeding, type MariadbServer, mariadbServer } from '@proxy/test-servers'
import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { connectMysql2 } from './clients.ts'
import { asRoot, errorOf, exchange, loginPacket, packet, packetsOf, pluginAuthFlag } from './raw.ts'
import { openGateway, type TestGateway, to } from './setup.ts'

let server: MariadbServer
let gateway: TestGateway
const faults: unknown[] = []

async function expectGoodTraffic(): Promise<void> {
  const connection = await connectMysql2({ port: gateway.port, database: 'alpha' })
  expect((await connection.query('select 1 as one'))[0]).toEqual([{ one: 1 }])
  await connection.end()
}

const login = loginPacket({ database: 'alpha' })

describeNeeding(['mariadbd', 'mariadb'], 'hostile clients', () => {
  beforeAll(async () => {
    server = await mariadbServer({ databases: ['alpha'] })
    gateway = await openGateway(to(server), { listener: { limits: { handshakeTimeoutMs: 500 } } })
    gateway.gateway.hooks.on('gateway:error', ({ error }) => faults.push(error))
  })

  afterAll(async () => {
    await gateway[Symbol.asyncDispose]()
    await server.stop()
    expect(faults).toEqual([])
  })

  describe('each gets an error of its own, numbered as the next packet', () => {
    test.each<[string, Buffer, string]>([
      ['HTTP', Buffer.from('GET / HTTP/1.1\r\nHost: a\r\n\r\n'), '1043 08S01'],
      ['a login of 16 MB', packet(1, Buffer.alloc(64), 2 ** 24 - 2), '1043 08S01'],
      ['a login in several packets', packet(1, Buffer.alloc(64), 2 ** 24 - 1), '1043 08S01'],
      ['an empty login', packet(1, Buffer.alloc(0)), '1043 08S01'],
      ['a login of zeros', packet(1, Buffer.alloc(60)), '1251 08004'],
      ['a login that is cut off', packet(1, login.subarray(4, 40)), '1043 08S01'],
      ['a client from before 4.1', packet(1, Buffer.from([5, 0x85, 0, 0, 0, 0x64, 0, 0])), '1251 08004'],
      ['a client without plugins', loginPacket({ database: 'alpha', without: pluginAuthFlag }), '1251 08004'],
    ])('%s', async (_, bytes, error) => {
      expect(errorOf(await exchange(gateway.port, bytes))).toMatchObject({ error, sequence: 2 })
      await expectGoodTraffic()
    })

    test('packets out of order', async () => {
      const told = errorOf(await exchange(gateway.port, loginPacket({ database: 'alpha' }, 5)))
      expect(told).toMatchObject({ error: '1043 08S01' })
    })
  })

  describe.concurrent('half a handshake', () => {
    test.each<[string, Buffer]>([
      ['nothing', Buffer.alloc(0)],
      ['half a head', login.subarray(0, 3)],
      ['half a packet', login.subarray(0, 30)],
      ['no answer to the backend', login],
    ])('%s is ended by the deadline, with an error', async (_, bytes) => {
      expect(errorOf(await exchange(gateway.port, bytes))).toMatchObject({ error: '1159 08S01' })
    })

    test('a byte at a time is ended by the deadline too', async () => {
      const socket = net.connect(gateway.port, '127.0.0.1')
      socket.on('error', () => undefined)
      socket.resume()
      let at = 0
      const timer = setInterval(() => socket.write(login.subarray(at, ++at)), 50)
      await once(socket, 'close')
      clearInterval(timer)
      expect(at).toBeLessThan(login.length)
    })

    test('clients that leave, at every few bytes', async () => {
      for (let cut = 0; cut <= login.length; cut += 3) {
        const socket = net.connect(gateway.port, '127.0.0.1')
        socket.on('error', () => undefined)
        socket.end(login.subarray(0, cut))
        socket.resume()
        await once(socket, 'close')
      }
      await expectGoodTraffic()
    })
  })

  test('a login that comes before the greeting was sent is a login all the same', async () => {
    const socket = net.connect(gateway.port, '127.0.0.1')
    socket.write(login)
    let seen = Buffer.alloc(0)
    while (packetsOf(seen).length < 2) {
      const [chunk] = (await once(socket, 'data')) as [Buffer]
      seen = Buffer.concat([seen, chunk])
    }
    // The backend asks for the password in its own way.
    expect(packetsOf(seen)[1]).toMatchObject({ sequence: 2 })
    expect(packetsOf(seen)[1]!.payload[0]).toBe(0xfe)
    socket.destroy()
  })

  test('random bytes', async () => {
    const bytes = fc.uint8Array({ minLength: 8, maxLength: 200 })
    const head = fc.constantFrom(Buffer.alloc(0), login, login.subarray(0, 36), packet(1, Buffer.alloc(0), 100))
    await fc.assert(
      fc.asyncProperty(head, bytes, async (known, unknown) => {
        const socket = net.connect(gateway.port, '127.0.0.1')
        socket.on('error', () => undefined)
        socket.end(Buffer.concat([known, unknown]))
        socket.resume()
        await once(socket, 'close')
      }),
      { numRuns: 60 },
    )
    await expectGoodTraffic()
  })

  test('2,000 connections that are dropped leave nothing behind, and good traffic goes on', async () => {
    const good = await connectMysql2({ port: gateway.port, database: 'alpha' })
    await dropMany(200)
    const before = settledHeap()
    for (let round = 0; round < 10; round++) {
      await dropMany(200)
      expect((await good.query('select 1 as one'))[0]).toEqual([{ one: 1 }])
    }
    await until(() => gateway.gateway.stats().sessions === 1)
    expect(settledHeap() - before).toBeLessThan(4_000_000)
    await good.end()
    while (
      (await asRoot(server.port, `select count(*) from information_schema.processlist where user = 'demo'`)) !== '0\n'
    );
  })
})

/** Some before their login, some in the middle of it, some with a backend behind them. */
async function dropMany(count: number): Promise<void> {
  await Promise.all(
    Array.from({ length: count }, async (_, i) => {
      const socket = net.connect(gateway.port, '127.0.0.1')
      socket.on('error', () => undefined)
      const closed = once(socket, 'close')
      if (i % 4 !== 0) await Promise.race([once(socket, 'data'), closed])
      if (i % 4 >= 2) socket.write(i % 4 === 2 ? login.subarray(0, 40) : login)
      if (i % 8 === 7) await Promise.race([once(socket, 'data'), closed])
      socket.resetAndDestroy()
      await closed
    }),
  )
}

setFlagsFromString('--expose-gc')
const collect = runInNewContext('gc') as () => void

function settledHeap(): number {
  collect()
  return process.memoryUsage().heapUsed
}

async function until(holds: () => boolean): Promise<void> {
  while (!holds()) await new Promise((resolve) => setImmediate(resolve))
}
