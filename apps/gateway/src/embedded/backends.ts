import { createServer, type AddressInfo, type Server } from 'node:net'
import { MailServer } from './mail-server.ts'
import type { MailStore } from './mail-store.ts'
import { OnDemandServer } from './on-demand-server.ts'
import type { EmbeddedPlan, ServerName } from './plan.ts'
import { serverNames, servers } from './servers.ts'
import { EmbeddedTenant, tenants } from './tenants.ts'

const endingMs = 300

interface Waiting {
  readonly server: OnDemandServer
  /** Holds the port until the server takes it, since the guard of the workers lets exactly this port pass. */
  reserved: Server | undefined
}

/** The backends of the embedded default. They live in the primary process, once for all workers. */
export class EmbeddedBackends {
  readonly #onGone: (name: ServerName) => void
  readonly #mails: MailStore
  readonly #web: EmbeddedTenant[] = []
  readonly #mail: MailServer[] = []
  readonly #servers = new Map<ServerName, Waiting>()

  /** `onGone` is called when a server ran and has ended. */
  constructor(mails: MailStore, onGone: (name: ServerName) => void) {
    this.#mails = mails
    this.#onGone = onGone
  }

  async open(): Promise<EmbeddedPlan> {
    const web = await Promise.all(tenants.map((name) => this.#openWeb(name)))
    const mail = await Promise.all(tenants.map((name) => this.#openMail(name)))
    const found = await Promise.all(serverNames.map((name) => this.#openServer(name)))
    return {
      web: Object.fromEntries(web),
      mail: Object.fromEntries(mail),
      servers: Object.fromEntries(found.filter((entry) => entry !== undefined)),
    }
  }

  /** Starts a server unless it runs. */
  async wake(name: ServerName): Promise<void> {
    const waiting = this.#servers.get(name)
    if (waiting === undefined) throw new Error(`${name} is not installed`)
    await closed(waiting.reserved)
    waiting.reserved = undefined
    await waiting.server.start()
  }

  async close(): Promise<void> {
    for (const tenant of this.#web) tenant.close()
    const ended = [...this.#servers.values()].map(async ({ reserved, server }) => {
      await closed(reserved)
      await server.stop()
    })
    await Promise.all([...ended, ...this.#mail.map((server) => server.close())])
  }

  /** What is left to do when the process exits without `close`: nothing asynchronous any longer. */
  abandon(): void {
    const servers = [...this.#servers.values()].map(({ server }) => server)
    // One that is still ending would write into its directory while that is removed.
    if (servers.filter((server) => server.abandon()).length > 0) sleepSync(endingMs)
    for (const server of servers) server.clear()
  }

  async #openWeb(name: string): Promise<[string, number]> {
    const tenant = new EmbeddedTenant(name)
    this.#web.push(tenant)
    return [name, await tenant.open()]
  }

  async #openMail(name: string): Promise<[string, number]> {
    const server = new MailServer(name, this.#mails)
    this.#mail.push(server)
    return [name, await server.open()]
  }

  async #openServer(name: ServerName): Promise<[ServerName, number] | undefined> {
    const recipe = await servers[name].find()
    if (recipe === undefined) return undefined
    const reserved = await reserve()
    const { port } = reserved.address() as AddressInfo
    const onChange = (running: boolean): void => void (running || this.#onGone(name))
    this.#servers.set(name, { reserved, server: new OnDemandServer({ recipe, port, onChange }) })
    return [name, port]
  }
}

function sleepSync(ms: number): void {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ms)
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
