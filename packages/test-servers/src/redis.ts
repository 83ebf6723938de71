import { removeDirectory, temporaryDirectory } from './directories.ts'
import { findFreePort } from './ports.ts'
import { type Launched, launch } from './processes.ts'

/** A real Redis on a throw-away loopback port. */
export class RedisServer {
  readonly host = '127.0.0.1'
  readonly port: number
  readonly #directory: string
  readonly #args: readonly string[]
  #process: Launched | undefined

  /** Use {@link redisServer}. */
  constructor(directory: string, port: number, args: readonly string[]) {
    this.#directory = directory
    this.#args = args
    this.port = port
  }

  /** `host:port`, as a resolver answers it. */
  get endpoint(): string {
    return `${this.host}:${this.port}`
  }

  get url(): string {
    return `redis://${this.endpoint}`
  }

  /** Of the server's first process; undefined while it does not run. */
  get pid(): number | undefined {
    return this.#process?.running === true ? this.#process.pid : undefined
  }

  /** Starts it, also again: on the same port, with what it has kept. */
  async start(): Promise<void> {
    const where = ['--port', String(this.port), '--bind', this.host, '--dir', this.#directory]
    this.#process = launch('redis-server', [...this.#args, ...where])
    await this.#process.waitFor(/Ready to accept connections|Sentinel ID is/)
  }

  signal(signal: NodeJS.Signals): void {
    this.#process?.signal(signal)
  }

  /** SIGKILL, and its end. */
  async kill(): Promise<void> {
    await this.#process?.stop('SIGKILL')
  }

  async stop(): Promise<void> {
    // One that was stopped (SIGSTOP) heeds nothing else.
    this.#process?.signal('SIGCONT')
    await this.#process?.stop()
    removeDirectory(this.#directory)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop()
  }
}

/** Needs `redis-server`: see `describeNeeding`. `args` are added to its command line. */
export async function redisServer(args: readonly string[] = []): Promise<RedisServer> {
  return startedRedis(await findFreePort(), ['--save', '', ...args])
}

/** The same on a given port; `first` stands at the beginning of the command line. */
export async function startedRedis(
  port: number,
  args: readonly string[],
  first: (directory: string) => readonly string[] = () => [],
): Promise<RedisServer> {
  const directory = temporaryDirectory('redis')
  const server = new RedisServer(directory, port, [...first(directory), ...args])
  await server.start()
  return server
}
