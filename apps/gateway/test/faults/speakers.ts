import { once } from 'node:events'
import { Agent, request } from 'node:http'
import { connect } from 'node:net'
import { MongoClient } from 'mongodb'
import { createConnection } from 'mysql2/promise'
import { createTransport } from 'nodemailer'
import pg from 'pg'

export const protocolNames = ['http', 'postgres', 'mysql', 'mongodb', 'smtp', 'tcp'] as const
export type ProtocolName = (typeof protocolNames)[number]

/** A client that is connected and logged in. */
export interface Talk {
  /** Settles when the backend has acknowledged the id. */
  put(id: string): Promise<void>
  close(): Promise<void>
}

/** Speaks a protocol with a well-known client library. */
export type Speaker = (port: number, tenant: string) => Promise<Talk>

class HttpStatus extends Error {
  readonly status: number
  readonly retryAfter: string | undefined

  constructor(status: number, retryAfter: string | undefined) {
    super(`HTTP ${status}`)
    this.status = status
    this.retryAfter = retryAfter
  }
}

async function http(port: number, tenant: string): Promise<Talk> {
  const agent = new Agent({ keepAlive: true, maxSockets: 1 })
  const put = (id: string): Promise<void> =>
    new Promise((resolve, reject) => {
      const headers = { host: `${tenant}.localhost` }
      const sent = request({ port, host: '127.0.0.1', method: 'POST', path: `/${id}`, headers, agent })
      sent.once('error', reject).once('response', (response) => {
        const { statusCode = 0 } = response
        response.resume().once('error', reject)
        response.once('end', () =>
          statusCode === 200 ? resolve() : reject(new HttpStatus(statusCode, response.headers['retry-after'])),
        )
      })
      sent.end()
    })
  return { put, close: async () => agent.destroy() }
}

async function postgres(port: number, tenant: string): Promise<Talk> {
  const client = new pg.Client({ host: '127.0.0.1', port, user: 'demo', password: 'demo', database: tenant })
  // Of a connection that breaks off between two queries, the next one tells.
  client.on('error', () => {})
  await client.connect()
  return {
    put: async (id) => void (await client.query('insert into acks values ($1)', [id])),
    close: () => client.end(),
  }
}

async function mysql(port: number, tenant: string): Promise<Talk> {
  const client = await createConnection({ host: '127.0.0.1', port, user: 'demo', password: 'demo', database: tenant })
  client.on('error', () => {})
  return {
    put: async (id) => void (await client.query('insert into acks values (?)', [id])),
    close: async () => client.destroy(),
  }
}

async function mongodb(port: number, tenant: string): Promise<Talk> {
  const client = new MongoClient(`mongodb://demo:demo@127.0.0.1:${port}/${tenant}?authSource=${tenant}`, {
    maxPoolSize: 1,
    retryWrites: false,
    retryReads: false,
    serverSelectionTimeoutMS: 10_000,
  })
  const acks = client.db(tenant).collection<{ _id: string }>('acks')
  return {
    put: async (id) => void (await acks.insertOne({ _id: id })),
    close: () => client.close(),
  }
}

async function smtp(port: number, tenant: string): Promise<Talk> {
  const name = `${tenant}.localhost`
  const mail = createTransport({ pool: true, maxConnections: 1, host: '127.0.0.1', port, name })
  return {
    put: async (id) => void (await mail.sendMail({ from: 'a@x.test', to: `b@${name}`, subject: id, text: 'hello' })),
    close: async () => mail.close(),
  }
}

async function tcp(port: number): Promise<Talk> {
  const socket = connect({ port, host: '127.0.0.1', noDelay: true })
  await once(socket, 'connect')
  socket.on('error', () => {})
  const put = (id: string): Promise<void> =>
    new Promise((resolve, reject) => {
      let got = ''
      const done = (settle: () => void): void => {
        socket.off('data', look).off('close', closed)
        settle()
      }
      const look = (bytes: Buffer): void => {
        got += bytes.toString('latin1')
        if (got === `${id}\n`) done(resolve)
      }
      const closed = (): void => done(() => reject(new Error('closed')))
      if (socket.closed || !socket.writable) return reject(new Error('closed'))
      socket.on('data', look).once('close', closed)
      socket.write(`${id}\n`)
    })
  return { put, close: async () => void socket.destroy() }
}

export const speakers: Readonly<Record<ProtocolName, Speaker>> = { http, postgres, mysql, mongodb, smtp, tcp }

/** What the client was told, in the protocol's own words: a status, an SQLSTATE, a number; or that it was cut off. */
export function told(error: unknown): string {
  const { status, responseCode, errno, code } = error as Record<string, unknown>
  if (typeof status === 'number') return String(status)
  if (typeof responseCode === 'number') return String(responseCode)
  // Those of the system are below zero.
  if (typeof errno === 'number' && errno > 0) return String(errno)
  if (typeof code === 'number') return String(code)
  if (typeof code === 'string' && /^\d[0-9A-Z]{4}$|^XX000$/.test(code)) return code
  return 'cut off'
}

/** Connects, puts one id and leaves. */
export async function putOnce(protocol: ProtocolName, port: number, tenant: string, id: string): Promise<void> {
  const talk = await speakers[protocol](port, tenant)
  try {
    await talk.put(id)
  } finally {
    await talk.close().catch(() => {})
  }
}
