import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { MongoClient } from 'mongodb'
import type { Leaf } from './certificates.ts'
import { removeDirectory, temporaryDirectory } from './directories.ts'
import { findFreePort } from './ports.ts'
import { type Launched, launch } from './processes.ts'

export interface MongoUser {
  readonly name: string
  readonly password: string
  /** Where the user is kept, its `authSource`. Default `admin`. Every user may use every database. */
  readonly database?: string | undefined
}

export interface MongoServerOptions {
  /** Default: `demo` with the password `demo`. None: nobody has to log in. */
  readonly users?: readonly MongoUser[] | undefined
  /** The server's certificate and key; with it the port speaks nothing but TLS. */
  readonly tls?: Leaf | undefined
  /** Default: a free one. It stays the same over restarts. */
  readonly port?: number | undefined
  /** False: prepare only; the port is closed until {@link MongoServer.start}. Default true. */
  readonly start?: boolean | undefined
}

/**
 * A real server that speaks the MongoDB wire, on a throw-away loopback port: FerretDB 1, which asks for SCRAM-SHA-256 and
 * keeps its data in SQLite. It has no transactions, no replica sets and no compression.
 */
export class MongoServer {
  readonly host = '127.0.0.1'
  readonly port: number
  readonly users: readonly MongoUser[]
  readonly #directory: string
  readonly #tls: Leaf | undefined
  #process: Launched | undefined
  #prepared = false

  /** Use {@link mongoServer}. */
  constructor(directory: string, port: number, users: readonly MongoUser[], tls: Leaf | undefined) {
    this.#directory = directory
    this.port = port
    this.users = users
    this.#tls = tls
  }

  /** `host:port`, as a resolver answers it. */
  get endpoint(): string {
    return `${this.host}:${this.port}`
  }

  get running(): boolean {
    return this.#process?.running === true
  }

  /** Of the server's first process; undefined while it does not run. */
  get pid(): number | undefined {
    return this.#process?.running === true ? this.#process.pid : undefined
  }

  /** What the server logged since the latest start. */
  get log(): string {
    return this.#process?.output ?? ''
  }

  /** Connection string of a user (default: the first), or through another port when that is given. */
  url(database: string, options: { user?: MongoUser; port?: number; query?: string } = {}): string {
    const user = options.user ?? this.users[0]
    const query = [...(user === undefined ? [] : [`authSource=${user.database ?? 'admin'}`]), options.query ?? '']
    const where = `${this.host}:${options.port ?? this.port}/${database}?${query.filter(Boolean).join('&')}`
    if (user === undefined) return `mongodb://${where}`
    return `mongodb://${encodeURIComponent(user.name)}:${encodeURIComponent(user.password)}@${where}`
  }

  /** Starts the server unless it runs; settles when it is ready. */
  async start(): Promise<void> {
    if (this.running) return
    this.#process = launch('ferretdb', [...storage(this.#directory), ...this.#listen(), ...firstUser(this.users[0])])
    await this.#process.waitFor(/Listening on (TCP|TLS)/)
    if (!this.#prepared) await this.#createUsers()
    this.#prepared = true
  }

  /** Stops the server; the data stays. `SIGKILL` is a crash. */
  async halt(signal: 'SIGTERM' | 'SIGKILL' = 'SIGTERM'): Promise<void> {
    await this.#process?.stop(signal)
  }

  async restart(): Promise<void> {
    await this.halt()
    await this.start()
  }

  /** Ends the server and removes its data. */
  async stop(): Promise<void> {
    await this.halt('SIGKILL')
    removeDirectory(this.#directory)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop()
  }

  #listen(): string[] {
    if (this.#tls === undefined) return [`--listen-addr=${this.endpoint}`]
    const { certFile, keyFile } = this.#tls
    const files = [`--listen-tls-cert-file=${certFile}`, `--listen-tls-key-file=${keyFile}`]
    return ['--listen-addr=', `--listen-tls=${this.endpoint}`, ...files]
  }

  async #createUsers(): Promise<void> {
    const [, ...others] = this.users
    if (others.length === 0) return
    const client = new MongoClient(this.url('admin'), this.#tls === undefined ? {} : { tls: true, tlsInsecure: true })
    for (const { name, password, database = 'admin' } of others) {
      await client.db(database).command({ createUser: name, pwd: password, roles: [] })
    }
    await client.close()
  }
}

/** Starts a server. Needs `ferretdb`: see `describeNeeding`. */
export async function mongoServer(options: MongoServerOptions = {}): Promise<MongoServer> {
  const directory = temporaryDirectory('mongo')
  mkdirSync(join(directory, 'data'))
  const users = options.users ?? [{ name: 'demo', password: 'demo' }]
  const server = new MongoServer(directory, options.port ?? (await findFreePort()), users, options.tls)
  if (options.start !== false) await server.start()
  return server
}

const storage = (directory: string): string[] => [
  '--handler=sqlite',
  `--sqlite-url=file:${directory}/data/`,
  `--state-dir=${directory}`,
  '--debug-addr=-',
  '--telemetry=disable',
]

/** One user is made by the server itself. */
function firstUser(user: MongoUser | undefined): string[] {
  if (user === undefined) return []
  const { name, password, database = 'admin' } = user
  const setup = [`--setup-database=${database}`, `--setup-username=${name}`, `--setup-password=${password}`]
  return ['--test-enable-new-auth', ...setup]
}
