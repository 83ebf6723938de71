import { readFileSync, writeFileSync } from 'node:fs'
import { connect } from 'node:net'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import {
  findFreePort,
  launch,
  type Launched,
  mariadbServer,
  type MongoServer,
  mongoServer,
  postgresServer,
  temporaryDirectory,
} from '@proxy/test-servers'
import { MongoClient } from 'mongodb'
import { createConnection } from 'mysql2/promise'
import pg from 'pg'
import type { ProtocolName } from './speakers.ts'

/** A real server, in processes of its own, that can be made to fail and keeps what clients put into it. */
export interface Backend {
  readonly port: number
  start(): Promise<void>
  /** SIGKILL. */
  kill(): Promise<void>
  /** SIGSTOP: connections are taken by the system, and nobody answers. */
  freeze(): void
  thaw(): void
  /** What clients put there, asked of the server itself. */
  stored(): Promise<ReadonlySet<string>>
  stop(): Promise<void>
}

/** Databases and domains of every backend. */
export const tenants = ['straight', 'wired'] as const
export type Tenant = (typeof tenants)[number]

const flags = ['--conditions=@proxy/source', '--no-warnings']
const script = fileURLToPath(new URL('./backend-process.ts', import.meta.url))

interface Server {
  readonly port: number
  readonly pid: number | undefined
  start(): Promise<void>
  stop(): Promise<void>
}

function backendOf(
  server: Server,
  kill: () => Promise<unknown>,
  stored: (tenant: Tenant) => Promise<string[]>,
): Backend {
  const signal = (name: NodeJS.Signals): void => void (server.pid === undefined || process.kill(server.pid, name))
  return {
    port: server.port,
    start: () => server.start(),
    kill: async () => void (await kill()),
    freeze: () => signal('SIGSTOP'),
    thaw: () => signal('SIGCONT'),
    stored: async () => new Set((await Promise.all(tenants.map(stored))).flat()),
    stop: () => server.stop(),
  }
}

async function postgres(): Promise<Backend> {
  // A commit is with the operating system before it is acknowledged: it outlives the process.
  const settings = { synchronous_commit: 'on', max_connections: '300' }
  const server = await postgresServer({ databases: tenants, settings })
  const query = async (tenant: Tenant, sql: string): Promise<string[]> => {
    const client = new pg.Client(server.url(tenant))
    await client.connect()
    const { rows } = await client.query<{ id: string }>(sql)
    await client.end()
    return rows.map(({ id }) => id)
  }
  for (const tenant of tenants) await query(tenant, 'create table acks (id text)')
  return backendOf(
    server,
    () => server.halt('immediate'),
    (tenant) => query(tenant, 'select id from acks'),
  )
}

async function mysql(): Promise<Backend> {
  const settings = ['--innodb-flush-log-at-trx-commit=2', '--max-connections=300']
  const server = await mariadbServer({ databases: tenants, settings })
  const query = async (tenant: Tenant, sql: string): Promise<string[]> => {
    const { host, port } = server
    const client = await createConnection({ host, port, user: 'root', password: 'root', database: tenant })
    const [rows] = await client.query(sql)
    await client.end()
    return Array.isArray(rows) ? rows.map((row) => (row as { id: string }).id) : []
  }
  for (const tenant of tenants) await query(tenant, 'create table acks (id varchar(64)) engine=innodb')
  return backendOf(
    server,
    () => server.halt('immediate'),
    (tenant) => query(tenant, 'select id from acks'),
  )
}

async function mongodb(): Promise<Backend> {
  // The database of a login names the tenant.
  const users = tenants.map((database) => ({ name: 'demo', password: 'demo', database }))
  const server = await mongoServer({ users })
  return backendOf(
    server,
    () => server.halt('SIGKILL'),
    (tenant) => documentsOf(server, tenant),
  )
}

async function documentsOf(server: MongoServer, tenant: Tenant): Promise<string[]> {
  const client = new MongoClient(server.url(tenant))
  try {
    const documents = await client.db(tenant).collection<{ _id: string }>('acks').find().toArray()
    return documents.map(({ _id }) => _id)
  } finally {
    await client.close()
  }
}

async function own(protocol: 'http' | 'smtp' | 'tcp'): Promise<Backend> {
  const port = await findFreePort()
  const file = join(temporaryDirectory('taken'), protocol)
  writeFileSync(file, '')
  let running: Launched | undefined
  const server: Server = {
    port,
    get pid() {
      return running?.running === true ? running.pid : undefined
    },
    async start() {
      if (running?.running === true) return
      running = launch(process.execPath, [...flags, script, protocol, String(port), file])
      await running.waitFor(/ready/)
    },
    stop: async () => void (await running?.stop('SIGKILL')),
  }
  await server.start()
  const stored = (tenant: Tenant): string[] => (tenant === 'straight' ? readFileSync(file, 'utf8').split('\n') : [])
  return backendOf(
    server,
    () => server.stop(),
    async (tenant) => stored(tenant),
  )
}

/** A port whose accept queue is full: whoever connects hears nothing at all. */
export async function blackHole(): Promise<{ readonly port: number; stop(): Promise<void> }> {
  const port = await findFreePort()
  const hole = launch(process.execPath, [...flags, script, 'hole', String(port)])
  await hole.waitFor(/ready/)
  hole.signal('SIGSTOP')
  const fillers = Array.from({ length: 8 }, () => connect({ port, host: '127.0.0.1' }).on('error', () => {}))
  return {
    port,
    async stop() {
      for (const filler of fillers) filler.destroy()
      await hole.stop('SIGKILL')
    },
  }
}

const makers: Readonly<Record<ProtocolName, () => Promise<Backend>>> = {
  http: () => own('http'),
  postgres,
  mysql,
  mongodb,
  smtp: () => own('smtp'),
  tcp: () => own('tcp'),
}

export const startBackend = (protocol: ProtocolName): Promise<Backend> => makers[protocol]()
