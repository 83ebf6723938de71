import { once } from 'node:events'
import { request } from 'node:http'
import { connect, type Socket } from 'node:net'
import { encodeMongo, MongoReader } from '@proxy/test-servers'
import { createConnection } from 'mysql2'
import pg from 'pg'
import { type ProtocolName, told } from '../faults/speakers.ts'

/** A client that has connected and waits. */
export interface HerdClient {
  readonly protocol: ProtocolName
  /** Settles with `kept` when the backend has answered, else with what the client was told. */
  readonly answer: Promise<string>
  /** Leaves without a word: a raw connection by a reset, as its end may be that of one direction only. */
  leave(): void
}

type Begin = (port: number, tenant: string) => Omit<HerdClient, 'protocol'>

function http(port: number, tenant: string): Omit<HerdClient, 'protocol'> {
  const sent = request({ port, host: '127.0.0.1', headers: { host: `${tenant}.localhost` }, agent: false }).end()
  const answer = once(sent, 'response').then(async ([response]) => {
    response.resume()
    await once(response, 'end')
    const { statusCode, headers } = response
    if (statusCode === 200) return 'kept'
    return `${statusCode}${headers['retry-after'] === undefined ? '' : ' Retry-After'}`
  }, told)
  return { answer, leave: () => void sent.destroy() }
}

function postgres(port: number, tenant: string): Omit<HerdClient, 'protocol'> {
  const client = new pg.Client({ host: '127.0.0.1', port, user: 'demo', database: tenant, ssl: false })
  client.on('error', () => {})
  const answer = client
    .connect()
    .then(() => client.query('keep'))
    .then(() => 'kept', told)
  return { answer, leave: () => (client as unknown as { connection: { stream: Socket } }).connection.stream.destroy() }
}

function mysql(port: number, tenant: string): Omit<HerdClient, 'protocol'> {
  const login = { user: 'demo', password: 'demo', database: tenant }
  // It counts until the login is answered: on a busy machine the default of 10 seconds is less than the herd takes to assemble.
  const client = createConnection({ host: '127.0.0.1', port, ...login, connectTimeout: 60_000 })
  const { promise, resolve } = Promise.withResolvers<string>()
  client.on('error', (error) => resolve(told(error)))
  client.query('keep', (error) => resolve(error === null ? 'kept' : told(error)))
  return { answer: promise, leave: () => client.destroy() }
}

/** Talks on a raw socket: each step gets what has come since the last. */
function talking(port: number, talk: (socket: Socket, next: () => Promise<string>) => Promise<string>) {
  const socket = connect({ port, host: '127.0.0.1', noDelay: true })
  socket.on('error', () => {})
  const next = async (): Promise<string> => {
    const bytes = socket.read() as Buffer | null
    if (bytes !== null) return bytes.toString('latin1')
    if (socket.closed || socket.readableEnded) throw new Error('closed')
    await Promise.race([once(socket, 'readable'), once(socket, 'close')])
    return next()
  }
  return { answer: talk(socket, next).catch(told), leave: () => void socket.resetAndDestroy() }
}

const mongodb: Begin = (port, tenant) =>
  talking(port, async (socket, next) => {
    const reader = new MongoReader()
    socket.write(encodeMongo({ keep: 1, $db: tenant }))
    for (;;) {
      const [message] = reader.push(Buffer.from(await next(), 'latin1'))
      if (message !== undefined) return message.document['kept'] === true ? 'kept' : String(message.document['code'])
    }
  })

const smtp: Begin = (port, tenant) =>
  talking(port, async (socket, next) => {
    const lines = [`EHLO ${tenant}.localhost`, 'MAIL FROM:<a@x.test>', `RCPT TO:<b@${tenant}.localhost>`, 'DATA']
    let reply = await next()
    for (const line of [...lines, 'hello\r\n.']) {
      socket.write(`${line}\r\n`)
      reply = await next()
      while (!/^\d{3} .*\r\n$/m.test(reply)) reply += await next()
      if (/^[45]/.test(reply)) return reply.slice(0, 3)
    }
    return reply.includes('kept') ? 'kept' : reply
  })

const tcp: Begin = (port) =>
  talking(port, async (socket, next) => {
    socket.write('keep\n')
    return (await next()).trim()
  })

const beginners: Readonly<Record<ProtocolName, Begin>> = { http, postgres, mysql, mongodb, smtp, tcp }

export function herdClient(protocol: ProtocolName, port: number, tenant: string): HerdClient {
  return { protocol, ...beginners[protocol](port, tenant) }
}
