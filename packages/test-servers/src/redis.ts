import { removeDirectory, temporaryDirectory } from './directories.ts'
import { findFreePort } from './ports.ts'
import { type Launched, launch } from './processes.ts'

/** A real Redis on a throw-away loopback port. */
export class RedisServer {
  readonly host = '127.0.0.1'
  readonly port: number
  readonly #directory: string
  readonly #process: Launched

  /** Use {@link redisServer}. */
  constructor(directory: string, port: number, process: Launched) {
    this.#directory = directory
    this.port = port
    this.#process = process
  }

  /** `host:port`, as a resolver answers it. */
  get endpoint(): string {
    return `${this.host}:${this.port}`
  }

  /** Of the server's first process; undefined while it does not run. */
  get pid(): number | undefined {
    return this.#process.running ? this.#process.pid : undefined
  }

  async stop(): Promise<void> {
    await this.#process.stop()
    removeDirectory(this.#directory)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop()
  }
}

/** Needs `redis-server`: see `describeNeeding`. `args` are added to its command line. */
export async function redisServer(args: readonly string[] = []): Promise<RedisServer> {
  const port = await findFreePort()
  const directory = temporaryDirectory('redis')
  const where = ['--port', String(port), '--bind', '127.0.0.1', '--dir', directory, '--save', '']
  const process = launch('redis-server', [...where, ...args])
  await process.waitFor(/Ready to accept connections/)
  return new RedisServer(directory, port, process)
}
