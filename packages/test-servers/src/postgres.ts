import { join } from 'node:path'
import { serverAccount } from './account.ts'
import { removeDirectory } from './directories.ts'
import { findFreePort } from './ports.ts'
import { postgresBinaries } from './postgres-binaries.ts'
import { postgresData, type PostgresTls, type PostgresUser } from './postgres-data.ts'
import { type Launched, launch } from './processes.ts'

export interface PostgresServerOptions {
  /** Created at the beginning, owned by the first user. Default: none but `postgres`. */
  readonly databases?: readonly string[] | undefined
  /** Default: `demo` with the password `demo`. The superuser `postgres` (password `postgres`) is always there. */
  readonly users?: readonly PostgresUser[] | undefined
  /** The server's certificate and key as PEM; TLS is off without it. */
  readonly tls?: PostgresTls | undefined
  /** Lines of pg_hba.conf. Default: SCRAM for everything, replication included, with TLS and without. */
  readonly hba?: readonly string[] | undefined
  /** Added to the settings, `{ max_connections: '20' }`. */
  readonly settings?: Readonly<Record<string, string>> | undefined
  /** Default: a free one. It stays the same over restarts. */
  readonly port?: number | undefined
  /** Begin to start, and return without waiting for readiness; await {@link PostgresServer.ready}. */
  readonly readyLater?: boolean | undefined
  /** False: prepare only; the port is closed until {@link PostgresServer.start}. Default true. */
  readonly start?: boolean | undefined
}

const anyone = ['0.0.0.0/0', '::/0'].flatMap((from) =>
  ['all', 'replication'].map((database) => `host ${database} all ${from} scram-sha-256`),
)

// Durability is of no use here, logical replication is; one small server must not take the machine.
const defaultSettings: Readonly<Record<string, string>> = {
  listen_addresses: '127.0.0.1',
  unix_socket_directories: '',
  fsync: 'off',
  synchronous_commit: 'off',
  full_page_writes: 'off',
  shared_buffers: '32MB',
  max_connections: '100',
  wal_level: 'logical',
}

/** A real PostgreSQL on a throw-away loopback port. */
export class PostgresServer {
  readonly host = '127.0.0.1'
  readonly port: number
  readonly users: readonly PostgresUser[]
  readonly #directory: string
  readonly #settings: Readonly<Record<string, string>>
  #process: Launched | undefined
  #ready: Promise<void> | undefined

  /** Use {@link postgresServer}. */
  constructor(directory: string, port: number, users: readonly PostgresUser[], settings: Record<string, string>) {
    this.#directory = directory
    this.port = port
    this.users = users
    this.#settings = settings
  }

  /** `host:port`, as a resolver answers it. */
  get endpoint(): string {
    return `${this.host}:${this.port}`
  }

  get running(): boolean {
    return this.#process?.running === true
  }

  /** Settles when connections are accepted; rejects with the server's log when it ends before. */
  get ready(): Promise<void> {
    return this.#ready ?? Promise.reject(new Error('the server was not started'))
  }

  /** Of the server's first process; undefined while it does not run. */
  get pid(): number | undefined {
    return this.#process?.running === true ? this.#process.pid : undefined
  }

  /** What the server logged since the latest start. */
  get log(): string {
    return this.#process?.stderr ?? ''
  }

  /** Connection string of a user (default: the first), or through another port when that is given. */
  url(database: string, options: { user?: PostgresUser; port?: number } = {}): string {
    const user = options.user ?? this.users[0] ?? { name: 'postgres', password: 'postgres' }
    const login = `${encodeURIComponent(user.name)}:${encodeURIComponent(user.password)}`
    return `postgres://${login}@${this.host}:${options.port ?? this.port}/${encodeURIComponent(database)}`
  }

  /** Starts the server unless it runs; settles when it is ready. */
  start(): Promise<void> {
    if (!this.running) {
      this.#ready = this.#launch()
      this.#ready.catch(() => undefined)
    }
    return this.ready
  }

  /** Stops the server; the data stays. `immediate` is a crash: sessions break off, the next start recovers. */
  async halt(mode: 'fast' | 'immediate' = 'fast'): Promise<void> {
    await this.#ready?.catch(() => undefined)
    await this.#process?.stop(mode === 'fast' ? 'SIGINT' : 'SIGQUIT')
  }

  async restart(): Promise<void> {
    await this.halt()
    await this.start()
  }

  /** Ends the server and removes its data. */
  async stop(): Promise<void> {
    await this.halt('immediate')
    removeDirectory(this.#directory)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop()
  }

  async #launch(): Promise<void> {
    const { postgres } = await postgresBinaries()
    const settings = Object.entries({ ...this.#settings, port: String(this.port) })
    const flags = settings.flatMap(([name, value]) => ['-c', `${name}=${value}`])
    const args = ['-D', join(this.#directory, 'data'), ...flags]
    this.#process = launch(postgres, args, { ...serverAccount(), cwd: '/' })
    await this.#process.waitFor(/database system is ready to accept connections/)
  }
}

/** Prepares and starts a PostgreSQL. Runs as root too: the server itself then runs as `nobody`. */
export async function postgresServer(options: PostgresServerOptions = {}): Promise<PostgresServer> {
  const users = options.users ?? [{ name: 'demo', password: 'demo' }]
  const directory = await postgresData(options.databases ?? [], users, options.hba ?? anyone, options.tls)
  const settings = { ...defaultSettings, ...tlsSettings(options.tls), ...options.settings }
  const server = new PostgresServer(directory, options.port ?? (await findFreePort()), users, settings)
  if (options.start === false) return server
  const ready = server.start()
  if (options.readyLater !== true) await ready
  return server
}

function tlsSettings(tls: PostgresTls | undefined): Record<string, string> {
  if (tls === undefined) return {}
  const ca = tls.clientCa === undefined ? {} : { ssl_ca_file: 'root.crt' }
  return { ssl: 'on', ssl_cert_file: 'server.crt', ssl_key_file: 'server.key', ...ca }
}
