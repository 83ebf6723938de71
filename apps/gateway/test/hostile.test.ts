import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { connect, type Socket } from 'node:net'
import {
  findFreePort,
  httpBackend,
  type HttpBackend,
  type Launched,
  type PostgresServer,
  postgresServer,
  type SmtpSink,
  smtpSink,
} from '@proxy/test-servers'
import { createTransport } from 'nodemailer'
import pg from 'pg'
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest'
import { directoryOf, startGateway, statsOf } from './gateway-process.ts'

const flood = 10_000
const batch = 250

const names = ['http', 'postgres', 'mysql', 'mongodb', 'smtp', 'tcp'] as const
type Name = (typeof names)[number]

/** Openings that are no protocol's, or stop half-way. */
const openings: readonly Buffer[] = [
  Buffer.alloc(0),
  Buffer.from('\0'),
  Buffer.from('GET / HTTP/1.1\r\nHost: 127.0.0.1\r\n'),
  Buffer.from('POST / HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 9999\r\n\r\nhalf'),
  Buffer.from([0, 0, 0, 8, 4, 210, 22, 47]),
  Buffer.from([0, 0, 0, 80, 0, 3, 0, 0, 117]),
  Buffer.from([0x16, 3, 1, 2, 0, 1]),
  Buffer.alloc(700, 0xff),
  Buffer.from('*1\r\n$4\r\nPING\r\n'),
  // MySQL: a login that announces more than comes. MongoDB: a message of the largest length, and a `hello` cut short.
  Buffer.from([80, 0, 0, 1, 0, 2, 8, 0]),
  Buffer.from([0, 0x6c, 0xdc, 2, 1, 0, 0, 0, 0, 0, 0, 0, 0xdd, 7, 0, 0]),
  Buffer.from([0x3f, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0xdd, 7, 0, 0, 0, 0, 0, 0, 0, 0x2a]),
  // SMTP: talking before the greeting, and a line without an end.
  Buffer.from('EHLO alpha.localhost\r\nMAIL FROM:<a@x>\r\nRCPT TO:<b@alpha.localhost>\r\nDATA\r\n'),
  Buffer.from(`EHLO ${'a'.repeat(2_000)}`),
]

describe('clients that mean no good, beside one that does', () => {
  let gateway: Launched
  let backend: HttpBackend
  let server: PostgresServer
  let sink: SmtpSink
  let ports: Record<Name | 'admin', number>
  let good: Promise<void>
  let stop = false
  let served = 0

  beforeAll(async () => {
    backend = await httpBackend('hello')
    server = await postgresServer({ databases: ['alpha'] })
    sink = await smtpSink()
    const found = await Promise.all([...names, 'admin'].map(async (name) => [name, await findFreePort()] as const))
    ports = Object.fromEntries(found) as typeof ports
    const listen = (port: number, protocol: string, options = {}) => ({
      address: `127.0.0.1:${port}`,
      protocol,
      limits: { handshakeTimeoutMs: 3_000 },
      ...options,
    })
    const config = {
      listeners: [
        listen(ports.http, 'http', { options: { headTimeoutMs: 2_000, bodyTimeoutMs: 2_000 } }),
        listen(ports.postgres, 'postgres'),
        listen(ports.mysql, 'mysql'),
        listen(ports.mongodb, 'mongodb'),
        listen(ports.smtp, 'smtp', { options: { idleTimeoutMs: 2_000 } }),
        listen(ports.tcp, 'tcp', { options: { key: 'nobody' } }),
      ],
      resolver: { static: { '127.0.0.1': backend.endpoint, alpha: server.endpoint, 'alpha.localhost': sink.endpoint } },
      guard: { allow: [backend, server, sink].map(({ port }) => `127.0.0.1 ${port}`) },
      admin: { address: ports.admin },
      workers: 2,
    }
    gateway = await startGateway({ cwd: directoryOf({ 'gateway.config.json': JSON.stringify(config) }) })
    const client = new pg.Client(server.url('alpha', { port: ports.postgres }))
    await client.connect()
    good = behaveWell(client)
    // Seen by the last test.
    good.catch(() => {})
  })

  afterAll(async () => {
    stop = true
    await good.catch(() => {})
    await gateway.stop()
    await backend.close()
    await server.stop()
    await sink.stop()
  })

  /** Asks for a page and a row, and sends a mail, over and over; rejects at the first that is not right. */
  async function behaveWell(client: pg.Client): Promise<void> {
    const mail = createTransport({ pool: true, host: '127.0.0.1', port: ports.smtp, name: 'alpha.localhost' })
    while (!stop) {
      const response = await fetch(`http://127.0.0.1:${ports.http}/`)
      if ((await response.text()) !== 'hello') throw new Error(`status ${response.status}`)
      const { rows } = await client.query('select 1 as one')
      if (rows[0].one !== 1) throw new Error('the row is wrong')
      await mail.sendMail({ from: 'a@x.test', to: 'b@alpha.localhost', text: 'hello' })
      served += 1
    }
    mail.close()
    await client.end()
  }

  const workerPids = async (): Promise<number[]> => (await statsOf(ports.admin)).workers.map(({ pid }) => pid)

  const residentKiB = async (): Promise<number[]> => {
    const pids = await workerPids()
    return pids.map((pid) => Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]))
  }

  const open = async (): Promise<number> => {
    const { listeners } = await statsOf(ports.admin)
    return listeners.reduce((sum, { connections }) => sum + connections, 0)
  }

  async function opened(port: number, bytes: Buffer): Promise<Socket> {
    const socket = connect({ port, host: '127.0.0.1' })
    socket.on('error', () => {})
    await once(socket, 'connect')
    if (bytes.length > 0) socket.write(bytes)
    return socket
  }

  it.each(names)(
    `stands ${flood} connections to %s that are opened and dropped`,
    async (name) => {
      const workers = await workerPids()
      const before = await residentKiB()
      for (let count = 0; count < flood; count += batch) {
        const sockets = Array.from({ length: batch }, (_, i) => opened(ports[name], openings[i % openings.length]!))
        for (const [i, socket] of (await Promise.all(sockets)).entries()) {
          if (i % 3 === 0) socket.resetAndDestroy()
          else socket.destroy()
        }
      }
      // What is left are the three connections of the client that means well.
      await vi.waitFor(async () => expect(await open()).toBeLessThanOrEqual(3), { timeout: 20_000 })
      expect(await workerPids()).toEqual(workers)
      const grown = (await residentKiB()).map((after, worker) => after - before[worker]!)
      for (const kib of grown) expect(kib).toBeLessThan(96 * 1024)
    },
    120_000,
  )

  it('ends clients that open and then say no more', async () => {
    const sockets = await Promise.all(names.flatMap((name) => openings.map((bytes) => opened(ports[name], bytes))))
    await Promise.all(
      sockets.map(async (socket) => {
        if (!socket.closed) await once(socket.resume(), 'close')
      }),
    )
    await vi.waitFor(async () => expect(await open()).toBeLessThanOrEqual(3), { timeout: 20_000 })
  }, 60_000)

  it('served the one that meant well all the while', async () => {
    stop = true
    await good
    expect(served).toBeGreaterThan(10)
    expect(sink.messages).toHaveLength(served)
  })
})
