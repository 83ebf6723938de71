import type { Leaf } from './certificates.ts'
import { goProgram } from './build-cache.ts'
import { greets } from './mysql-greeting.ts'
import { findFreePort } from './ports.ts'
import { launch, type Launched } from './processes.ts'

export interface MysqlEngineUser {
  readonly name: string
  readonly password: string
  /** Default `caching_sha2_password`. */
  readonly plugin?: 'caching_sha2_password' | 'mysql_native_password' | undefined
}

export interface MysqlEngineOptions {
  /** Default: none. */
  readonly databases?: readonly string[] | undefined
  readonly users: readonly MysqlEngineUser[]
  /** TLS is off without it. */
  readonly tls?: Leaf | undefined
}

/** A MySQL server that is neither MySQL's nor MariaDB's, on a throw-away loopback port. */
export class MysqlEngine {
  readonly host = '127.0.0.1'
  readonly port: number
  readonly #process: Launched

  /** Use {@link mysqlEngine}. */
  constructor(port: number, process: Launched) {
    this.port = port
    this.#process = process
  }

  /** `host:port`, as a resolver answers it. */
  get endpoint(): string {
    return `${this.host}:${this.port}`
  }

  async stop(): Promise<void> {
    await this.#process.stop('SIGKILL')
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop()
  }
}

/**
 * Starts the in-memory engine of go-mysql-server, which has caching_sha2_password: full over TLS, and from then on fast, with
 * TLS or without. Needs `mysql-engine`: see `describeNeeding`.
 */
export async function mysqlEngine(options: MysqlEngineOptions): Promise<MysqlEngine> {
  const port = await findFreePort()
  const process = launch(goProgram('mysql'), [JSON.stringify(settings(options, port))])
  await process.waitFor(/listening/)
  if (!(await greets(port))) throw new Error(`the MySQL engine does not greet\n${process.output}`)
  return new MysqlEngine(port, process)
}

function settings({ databases, users, tls }: MysqlEngineOptions, port: number): unknown {
  return {
    port,
    databases: databases ?? [],
    users: users.map((user) => ({ plugin: 'caching_sha2_password', ...user })),
    ...(tls === undefined ? {} : { certFile: tls.certFile, keyFile: tls.keyFile }),
  }
}
