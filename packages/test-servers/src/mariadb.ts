import { join } from 'node:path'
import { serverAccount } from './account.ts'
import { removeDirectory } from './directories.ts'
import { layout, mariadbData, type MysqlTls, type MysqlUser } from './mariadb-data.ts'
import { greets } from './mysql-greeting.ts'
import { findFreePort } from './ports.ts'
import { type Launched, launch } from './processes.ts'

export interface MariadbServerOptions {
  /** Created at the beginning. Default: none. */
  readonly databases?: readonly string[] | undefined
  /** Default: `demo` with the password `demo`. The superuser `root` (password `root`) is always there. */
  readonly users?: readonly MysqlUser[] | undefined
  /** The server's certificate and key as PEM; TLS is off without it. */
  readonly tls?: MysqlTls | undefined
  /** Added to the command line: `['--max-connections=10']`. */
  readonly settings?: readonly string[] | undefined
  /** Default: a free one. It stays the same over restarts. */
  readonly port?: number | undefined
  /** Begin to start, and return without waiting for readiness; await {@link MariadbServer.ready}. */
  readonly readyLater?: boolean | undefined
  /** False: prepare only; the port is closed until {@link MariadbServer.start}. Default true. */
  readonly start?: boolean | undefined
}

// Durability is of no use here; one small server must not take the machine.
const defaultSettings: readonly string[] = [
  '--bind-address=127.0.0.1',
  '--skip-name-resolve',
  '--performance-schema=OFF',
  '--innodb-buffer-pool-size=24M',
  '--innodb-flush-log-at-trx-commit=0',
  '--innodb-doublewrite=0',
  '--innodb-fast-shutdown=2',
  '--innodb-buffer-pool-load-at-startup=0',
  '--innodb-buffer-pool-dump-at-shutdown=0',
  '--key-buffer-size=1M',
  '--aria-pagecache-buffer-size=8M',
  '--max-allowed-packet=64M',
  // The init file is read in it too.
  '--character-set-server=utf8mb4',
  '--plugin-load-add=auth_ed25519',
]

/** A real MariaDB on a throw-away loopback port. */
export class MariadbServer {
  readonly host = '127.0.0.1'
  readonly port: number
  readonly users: readonly MysqlUser[]
  readonly #directory: string
  readonly #settings: readonly string[]
  #process: Launched | undefined
  #ready: Promise<void> | undefined
  #initialised = false

  /** Use {@link mariadbServer}. */
  constructor(directory: string, port: number, users: readonly MysqlUser[], settings: readonly string[]) {
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

  /** Settles when the server greets; rejects with its log when it ends before or could not make the accounts. */
  get ready(): Promise<void> {
    return this.#ready ?? Promise.reject(new Error('the server was not started'))
  }

  /** Of the server's first process; undefined while it does not run. */
  get pid(): number | undefined {
    return this.#process?.running === true ? this.#process.pid : undefined
  }

  /** What the server logged since the latest start. */
  get log(): string {
    return this.#process?.output ?? ''
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
    await this.#process?.stop(mode === 'fast' ? 'SIGTERM' : 'SIGKILL')
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
    const [data, socket] = [join(this.#directory, 'data'), join(this.#directory, 'socket')]
    const where = [`--datadir=${data}`, `--socket=${socket}`, `--pid-file=${socket}.pid`, `--port=${this.port}`]
    const first = this.#initialised ? [] : [`--init-file=${join(this.#directory, 'init.sql')}`]
    const args = ['--no-defaults', ...where, ...layout, ...defaultSettings, ...this.#settings, ...first]
    this.#process = launch('mariadbd', args, { ...serverAccount(), cwd: '/' })
    await this.#process.waitFor(/ready for connections/)
    if (!(await greets(this.port))) throw new Error(`MariaDB does not greet\n${this.log}`)
    // It leaves out the rest of the statements, and serves.
    if (/^ERROR: |\[ERROR\]/m.test(this.log)) throw new Error(`preparing MariaDB failed\n${this.log}`)
    this.#initialised = true
  }
}

/** Prepares and starts a MariaDB: see `describeNeeding` for `mariadbd`. Runs as root too: the server itself then runs as `nobody`. */
export async function mariadbServer(options: MariadbServerOptions = {}): Promise<MariadbServer> {
  const users = options.users ?? [{ name: 'demo', password: 'demo' }]
  const directory = await mariadbData(options.databases ?? [], users, options.tls)
  const settings = [...tlsSettings(directory, options.tls), ...(options.settings ?? [])]
  const server = new MariadbServer(directory, options.port ?? (await findFreePort()), users, settings)
  if (options.start === false) return server
  const ready = server.start()
  if (options.readyLater !== true) await ready
  return server
}

function tlsSettings(directory: string, tls: MysqlTls | undefined): string[] {
  if (tls === undefined) return []
  const ca = tls.clientCa === undefined ? [] : [`--ssl-ca=${join(directory, 'clients.crt')}`]
  return [`--ssl-cert=${join(directory, 'server.crt')}`, `--ssl-key=${join(directory, 'server.key')}`, ...ca]
}
