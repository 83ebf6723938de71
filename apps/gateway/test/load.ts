import { type HttpBackend, httpBackend, launch, type Launched, type PostgresServer, runOrThrow } from '@proxy/test-servers'
import { expect } from 'vitest'

export interface LoadOptions {
  readonly httpPort: number
  readonly postgresUrl: string
  readonly seconds: number
  /** A new PostgreSQL session for every transaction. */
  readonly reconnect: boolean
}

/** wrk, keeping its connections and opening new ones, beside pgbench. */
export class Load {
  readonly #keeping: Launched
  readonly #opening: Launched
  readonly #pgbench: Launched

  constructor({ httpPort, postgresUrl, seconds, reconnect }: LoadOptions) {
    const url = `http://127.0.0.1:${httpPort}/`
    const wrk = ['-t1', `-d${seconds}s`, '--timeout', '20s']
    this.#keeping = launch('wrk', [...wrk, '-c8', url])
    this.#opening = launch('wrk', [...wrk, '-c2', '-H', 'Connection: close', url])
    const flags = ['-n', '-c2', '-R50', '-T', `${seconds}`, ...(reconnect ? ['-C'] : [])]
    this.#pgbench = launch('pgbench', [...flags, postgresUrl])
  }

  /** Settles when the time is over. Fails when a request or a transaction did. */
  async end(): Promise<void> {
    for (const wrk of [this.#keeping, this.#opening]) {
      await wrk.exited
      expect(wrk.output).toMatch(/[1-9]\d* requests in/)
      expect(wrk.output).not.toMatch(/Socket errors|Non-2xx/)
    }
    const { code } = await this.#pgbench.exited
    expect(this.#pgbench.stderr).not.toMatch(/error|aborted|perhaps the backend died/i)
    expect(this.#pgbench.stdout).toMatch(/number of transactions actually processed: [1-9]/)
    expect(this.#pgbench.stdout).toMatch(/number of failed transactions: 0 /)
    expect(code).toBe(0)
  }
}

/** Answers after some milliseconds: it is the number of requests under way that counts, not the rate of a busy loop. */
export function unhurriedBackend(name: string): Promise<HttpBackend> {
  return httpBackend((request, response) => {
    request.resume()
    setTimeout(() => response.end(name), 5)
  })
}

/** Tables of pgbench. */
export async function prepareBench(server: PostgresServer, database: string): Promise<void> {
  await runOrThrow('pgbench', ['-i', '-q', '-s', '1', server.url(database)])
}

/** Every TPC-B transaction adds the same to an account, a teller, a branch and the history: a cut one would not. */
export async function balances(server: PostgresServer, database: string): Promise<unknown[]> {
  const sums = ['abalance from pgbench_accounts', 'tbalance from pgbench_tellers', 'bbalance from pgbench_branches']
  const sql = [...sums, 'delta from pgbench_history'].map((sum) => `(select sum(${sum.replace(' ', ') ')})`).join(', ')
  const { default: pg } = await import('pg')
  const client = new pg.Client(server.url(database))
  await client.connect()
  const { rows } = await client.query<unknown[]>({ text: `select ${sql}`, rowMode: 'array' })
  await client.end()
  return rows[0]!
}
