import {
  type HttpBackend,
  httpBackend,
  launch,
  type Launched,
  type PostgresServer,
  runOrThrow,
} from '@proxy/test-servers'
import pg from 'pg'
import { expect } from 'vitest'

export interface LoadOptions {
  readonly httpPort: number
  readonly postgresUrl: string
  readonly seconds: number
  /**
   * The gateway goes away under the load: its clients are asked to leave. They keep their connections until then, because a
   * new one may be in the queue of a socket that closes, which the kernel of the machine resets.
   */
  readonly leaving: boolean
}

/** wrk beside pgbench. */
export class Load {
  readonly #wrk: readonly Launched[]
  readonly #pgbench: Launched
  readonly #leaving: boolean

  constructor({ httpPort, postgresUrl, seconds, leaving }: LoadOptions) {
    const wrk = (...more: string[]): Launched =>
      launch('wrk', ['-t1', `-d${seconds}s`, '--timeout', '20s', ...more, `http://127.0.0.1:${httpPort}/`])
    this.#wrk = [wrk('-c8'), ...(leaving ? [] : [wrk('-c2', '-H', 'Connection: close')])]
    this.#pgbench = launch('pgbench', ['-n', '-c4', '-R100', '-T', `${seconds}`, postgresUrl])
    this.#leaving = leaving
  }

  /** Settles when the time is over. Fails when a request or a transaction did. */
  async end(): Promise<void> {
    for (const wrk of this.#wrk) {
      await wrk.exited
      expect(wrk.output).toMatch(/[1-9]\d* requests in/)
      expect(wrk.output).not.toMatch(/Socket errors|Non-2xx/)
    }
    const { code } = await this.#pgbench.exited
    const said = this.#pgbench.stderr
    if (!this.#leaving) expect([code, complaints(said)], said).toEqual([0, []])
    // pgbench gives up a client whose session ends; it must have ended between two transactions, in order: command 4 is BEGIN.
    else
      expect(
        complaints(said).filter((line) => !orderly.test(line)),
        said,
      ).toEqual([])
    expect(this.#pgbench.stdout).toMatch(/number of transactions actually processed: [1-9]/)
    expect(this.#pgbench.stdout).toMatch(/number of failed transactions: 0 /)
  }
}

const orderly = /shutting down|Connect again|aborted in command [0-4] /

const complaints = (stderr: string): string[] =>
  stderr.split('\n').filter((line) => /error|fatal|hint|abort|backend died/i.test(line))

/** Answers after some milliseconds: it is the number of requests under way that counts, not the rate of a busy loop. */
export function unhurriedBackend(name: string, delayMs = 5): Promise<HttpBackend> {
  return httpBackend((request, response) => {
    request.resume()
    setTimeout(() => response.end(name), delayMs)
  })
}

/** Tables of pgbench. */
export async function prepareBench(server: PostgresServer, database: string): Promise<void> {
  await runOrThrow('pgbench', ['-i', '-q', '-s', '1', server.url(database)])
}

/** Every TPC-B transaction adds the same to an account, a teller, a branch and the history: a cut one would not. */
export async function balances(server: PostgresServer, database: string): Promise<unknown[]> {
  const tables = { abalance: 'accounts', tbalance: 'tellers', bbalance: 'branches', delta: 'history' }
  const sums = Object.entries(tables).map(([column, table]) => `(select sum(${column}) from pgbench_${table})`)
  const client = new pg.Client(server.url(database))
  await client.connect()
  const { rows } = await client.query<unknown[]>({ text: `select ${sums.join(', ')}`, rowMode: 'array' })
  await client.end()
  return rows[0]!
}
