import { setTimeout as sleep } from 'node:timers/promises'
import {
  describeNeeding,
  findFreePort,
  type MariadbServer,
  mariadbServer,
  smtpSink,
  type SmtpSink,
} from '@proxy/test-servers'
import { type Connection, createConnection, type RowDataPacket } from 'mysql2/promise'
import { createTransport } from 'nodemailer'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { directoryOf, startGateway } from './gateway-process.ts'

const drains = 3
const lanes = 4
// Too short for a session to count as silent: it is between two transactions, shortly before the deadline, that it ends.
const pauseMs = 20
const deadlineMs = 2_000

describeNeeding(['mariadbd'], 'a rolling upgrade under sessions that stay', () => {
  let mariadb: MariadbServer
  let sink: SmtpSink

  beforeAll(async () => {
    mariadb = await mariadbServer({ databases: ['alpha'] })
    sink = await smtpSink()
  })

  afterAll(async () => {
    await Promise.all([mariadb.stop(), sink.stop()])
  })

  it(`cuts no MySQL transaction and loses no mail in ${drains} drains`, { timeout: 120_000 }, async () => {
    const ports = { mysql: await findFreePort(), smtp: await findFreePort() }
    const config = {
      listeners: [
        { address: `127.0.0.1:${ports.mysql}`, protocol: 'mysql', reusePort: true },
        { address: `127.0.0.1:${ports.smtp}`, protocol: 'smtp', reusePort: true },
      ],
      resolver: { static: { alpha: mariadb.endpoint, 'alpha.localhost': sink.endpoint } },
      guard: { allow: [`127.0.0.1 ${mariadb.port}`, `127.0.0.1 ${sink.port}`] },
      admin: false,
      workers: 2,
      drain: { deadlineMs },
    }
    const cwd = directoryOf({ 'gateway.config.json': JSON.stringify(config) })
    let gateway = await startGateway({ cwd })
    const ended = new AbortController()
    const upgrade = async (): Promise<void> => {
      for (let i = 0; i < drains; i++) {
        const next = await startGateway({ cwd })
        expect(await gateway.stop('SIGTERM', 40_000)).toEqual({ code: 0, signal: null })
        gateway = next
      }
    }
    const each = <T>(work: (lane: number, signal: AbortSignal) => Promise<T>): Promise<T[]> =>
      Promise.all(Array.from({ length: lanes }, (_, lane) => work(lane, ended.signal)))
    const [, committed, accepted] = await Promise.all([
      upgrade().finally(() => ended.abort()),
      each((lane, signal) => transfer(mariadb, ports.mysql, lane, signal)),
      each((lane, signal) => mail(ports.smtp, lane, signal)),
    ])
    await gateway.stop()
    expect(await balances(mariadb)).toEqual(committed.map((count, lane) => ({ lane, debit: count, credit: count })))
    const delivered = sink.messages.map(({ data }) => /^Subject: (.*)$/m.exec(data.toString())![1]!.trim())
    expect(delivered.toSorted()).toEqual(accepted.flat().toSorted())
  })
})

// The goodbye, or what the driver makes of a session that has ended while nothing was asked.
const orderly =
  /^(ER_SERVER_SHUTDOWN|PROTOCOL_CONNECTION_LOST|EPIPE|Can't add new command when connection is in closed state)$/

/** Transactions over and over, on one session for as long as it lasts: it may end between two of them only. */
async function transfer(server: MariadbServer, port: number, lane: number, signal: AbortSignal): Promise<number> {
  let session = await connected(server, port)
  await session.query('create table if not exists balance (lane int primary key, debit int, credit int)')
  await session.query('insert into balance values (?, 0, 0)', [lane])
  let committed = 0
  while (!signal.aborted) {
    try {
      await session.query('start transaction')
    } catch (error) {
      const { code, message } = error as NodeJS.ErrnoException
      expect(code ?? message).toMatch(orderly)
      session = await connected(server, port)
      continue
    }
    await session.query('update balance set debit = debit + 1 where lane = ?', [lane])
    await session.query('update balance set credit = credit + 1 where lane = ?', [lane])
    await session.query('commit')
    committed += 1
    await sleep(pauseMs)
  }
  await session.end().catch(() => undefined)
  return committed
}

async function connected(server: MariadbServer, port: number): Promise<Connection> {
  const [{ name: user, password } = { name: '', password: '' }] = server.users
  for (let attempt = 1; ; attempt++) {
    try {
      const session = await createConnection({ host: server.host, port, user, password, database: 'alpha' })
      // It may be ended while nothing is asked.
      session.on('error', () => undefined)
      return session
    } catch (error) {
      if (attempt === 20) throw error
      await sleep(pauseMs)
    }
  }
}

async function balances(server: MariadbServer): Promise<unknown[]> {
  const session = await connected(server, server.port)
  const [rows] = await session.query<RowDataPacket[]>('select lane, debit, credit from balance order by lane')
  await session.end()
  return rows
}

/** Mails over and over, a session for each; settles with what was acknowledged. */
async function mail(port: number, lane: number, signal: AbortSignal): Promise<string[]> {
  const transport = createTransport({ host: '127.0.0.1', port, name: 'alpha.localhost' })
  const accepted: string[] = []
  for (let count = 0; !signal.aborted; count++) {
    const subject = `${lane}-${count}`
    try {
      await transport.sendMail({ from: 'a@x.test', to: 'b@alpha.localhost', subject, text: 'hello' })
      accepted.push(subject)
    } catch (error) {
      const { responseCode, command } = error as { responseCode?: number; command?: string }
      // Before the message was begun: the client has lost nothing, and knows it.
      expect([responseCode === 421 || command === 'CONN', command]).toEqual([true, expect.not.stringMatching(/DATA/)])
    }
    await sleep(pauseMs)
  }
  return accepted
}
