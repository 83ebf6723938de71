import type { ChildProcess } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type ServerAccount, serverAccount } from './account.ts'
import { makeDirectory, type PostgresPrograms, reachable, removeDirectory } from './postgres-files.ts'
import { collectOutput, runProgram, spawnProgram } from './run-program.ts'

export interface EmbeddedPostgresOptions {
  readonly programs: PostgresPrograms
  readonly port: number
  /** Each becomes a database that `user` owns. */
  readonly databases: readonly string[]
  readonly user: string
  readonly password: string
  /** The server runs, or ran and is gone although nobody stopped it. */
  readonly onChange: (running: boolean) => void
}

// Durability is of no use to data that goes with the process.
const settings: Readonly<Record<string, string>> = {
  listen_addresses: '127.0.0.1',
  unix_socket_directories: '',
  fsync: 'off',
  synchronous_commit: 'off',
  full_page_writes: 'off',
  shared_buffers: '32MB',
  max_connections: '100',
}

/** A PostgreSQL server on loopback, made at the first start and removed by `stop`. */
export class EmbeddedPostgres {
  readonly #options: EmbeddedPostgresOptions
  #account: ServerAccount | undefined
  #directory: string | undefined
  #prepared: Promise<PostgresPrograms> | undefined
  #child: ChildProcess | undefined
  #starting: Promise<void> | undefined
  #stopped = false

  constructor(options: EmbeddedPostgresOptions) {
    this.#options = options
  }

  get running(): boolean {
    return this.#child !== undefined && this.#starting === undefined
  }

  /** Where its data lies; undefined before the first start and after `stop`. */
  get directory(): string | undefined {
    return this.#directory
  }

  /** Settles when connections are accepted. Any number of callers share one start. */
  start(): Promise<void> {
    if (this.running) return Promise.resolve()
    this.#starting ??= this.#start().finally(() => {
      this.#starting = undefined
      if (this.#child !== undefined) this.#options.onChange(true)
    })
    return this.#starting
  }

  /** Ends the server and removes its data. It cannot be started again. */
  async stop(): Promise<void> {
    this.#stopped = true
    await this.#starting?.catch(() => undefined)
    await this.#end()
    if (this.#directory !== undefined) removeDirectory(this.#directory)
    this.#directory = undefined
  }

  /** What is left to do when the process exits without `stop`. */
  abandon(): void {
    this.#child?.kill('SIGQUIT')
    if (this.#directory !== undefined) removeDirectory(this.#directory)
  }

  async #start(): Promise<void> {
    this.#prepared ??= this.#prepare()
    const programs = await this.#prepared.catch((error: unknown) => {
      this.#prepared = undefined
      throw error
    })
    if (this.#stopped) throw new Error('the gateway is shutting down')
    await this.#launch(programs)
  }

  async #prepare(): Promise<PostgresPrograms> {
    const account = (this.#account ??= serverAccount())
    if (this.#directory !== undefined) removeDirectory(this.#directory)
    this.#directory = makeDirectory(account)
    const programs = reachable(this.#options.programs, account, this.#directory)
    const initdb = ['-D', this.#data, '-U', 'postgres', '-A', 'trust', '--locale=C', '--encoding=UTF8', '--no-sync']
    await runProgram(account, programs.initdb, initdb)
    // No line for anyone else: the superuser cannot log in at all.
    writeFileSync(join(this.#data, 'pg_hba.conf'), `host all ${this.#options.user} 127.0.0.1/32 scram-sha-256\n`)
    await this.#create(account, programs)
    return programs
  }

  /** Single-user mode needs neither a client nor a running server. */
  async #create(account: ServerAccount, programs: PostgresPrograms): Promise<void> {
    const { databases, user, password } = this.#options
    const statements = [
      `CREATE ROLE "${user}" LOGIN PASSWORD '${password}'`,
      ...databases.map((name) => `CREATE DATABASE "${name}" OWNER "${user}"`),
    ]
    const input = statements.map((statement) => `${statement};\n\n`).join('')
    const args = ['--single', '-F', '-j', '-D', this.#data, 'postgres']
    const output = await runProgram(account, programs.postgres, args, input)
    // It goes on after a failed statement and ends with 0.
    if (/ (ERROR|FATAL|PANIC): /.test(output)) throw new Error(`the databases could not be made: ${output}`)
  }

  async #launch(programs: PostgresPrograms): Promise<void> {
    const flags = Object.entries({ ...settings, port: String(this.#options.port) })
    const args = ['-D', this.#data, ...flags.flatMap(([name, value]) => ['-c', `${name}=${value}`])]
    const child = spawnProgram(this.#account!, programs.postgres, args)
    this.#child = child
    child.once('close', () => this.#gone())
    await ready(child)
  }

  #gone(): void {
    const ran = this.running
    this.#child = undefined
    if (ran && !this.#stopped) this.#options.onChange(false)
  }

  /** Fast shutdown, then the hard way. */
  async #end(): Promise<void> {
    const child = this.#child
    if (child === undefined) return
    const closed = new Promise((resolve) => child.once('close', resolve))
    child.kill('SIGINT')
    const timer = setTimeout(() => child.kill('SIGKILL'), 5_000)
    await closed
    clearTimeout(timer)
  }

  get #data(): string {
    return join(this.#directory!, 'data')
  }
}

function ready(child: ChildProcess): Promise<void> {
  const output = collectOutput(child)
  return new Promise((resolve, reject) => {
    child.stderr?.on('data', () => {
      if (output().includes('database system is ready to accept connections')) resolve()
    })
    child.once('error', reject)
    child.once('close', () => reject(new Error(`PostgreSQL ended: ${output()}`)))
  })
}
