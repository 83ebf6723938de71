import { type BackendSpec, freePort, type ProcessResolver, processResolver } from '@proxy/resolver-process'
import { MailServer } from './mail-server.ts'
import type { MailStore } from './mail-store.ts'
import { type EmbeddedNames, embeddedName, mailName, titleOf, webName } from './names.ts'
import type { EmbeddedPlan, ServerName } from './plan.ts'
import { RecipeServer } from './recipe-server.ts'
import { serverNames, servers } from './servers.ts'
import { tenants } from './tenants.ts'
import { WebServer } from './web-server.ts'

const endingMs = 300

/** The backends of the embedded default: all of them asleep until somebody connects. They live in the primary process. */
export interface EmbeddedBackends {
  readonly plan: EmbeddedPlan
  readonly resolver: ProcessResolver
  /** What is left to do when the process exits without closing the resolver: nothing asynchronous any longer. */
  abandon(): void
}

/** `onExit` is called with its title when a server ended although nobody stopped it. */
export async function embeddedBackends(mails: MailStore, onExit: (title: string) => void): Promise<EmbeddedBackends> {
  const kitchen = new Kitchen(mails)
  for (const tenant of tenants) await kitchen.addTenant(tenant)
  for (const name of serverNames) await kitchen.addServer(name)
  const { plan, specs } = kitchen
  const resolver = processResolver({
    backends: specs,
    nameOf: (request) => embeddedName(request, plan),
    onExit: (name) => onExit(titleOf(name)),
  })
  return { plan, resolver, abandon: () => kitchen.abandon(resolver) }
}

class Kitchen {
  readonly specs: Record<string, BackendSpec> = {}
  readonly plan: EmbeddedNames = { web: {}, mail: {}, servers: {} }
  readonly #mails: MailStore
  readonly #databases: RecipeServer[] = []
  readonly #ports = new Set<number>()

  constructor(mails: MailStore) {
    this.#mails = mails
  }

  async addTenant(tenant: string): Promise<void> {
    const [web, mail] = [await this.#port(), await this.#port()]
    this.plan.web[tenant] = web
    this.plan.mail[tenant] = mail
    this.#add(webName(tenant), web, () => new WebServer(tenant, web))
    this.#add(mailName(tenant), mail, () => new MailServer(tenant, mail, this.#mails))
  }

  async addServer(name: ServerName): Promise<void> {
    const recipe = await servers[name].find()
    if (recipe === undefined) return
    const port = await this.#port()
    this.plan.servers[name] = port
    this.#add(name, port, (gone) => {
      const server = new RecipeServer(recipe, port, gone)
      this.#databases.push(server)
      return server
    })
  }

  abandon(resolver: ProcessResolver): void {
    const running = this.#databases.filter(({ pid }) => pid !== undefined)
    resolver.kill()
    // One that is still ending would write into its directory while that is removed.
    if (running.length > 0) sleepSync(endingMs)
    for (const server of this.#databases) server.clear()
  }

  #add(name: string, port: number, server: Extract<BackendSpec, { server: unknown }>['server']): void {
    this.specs[name] = { endpoint: `127.0.0.1:${port}`, server, startTimeoutMs: 120_000 }
  }

  /** The guard of the workers lets exactly these ports pass. */
  async #port(): Promise<number> {
    for (;;) {
      const port = await freePort()
      if (this.#ports.has(port)) continue
      this.#ports.add(port)
      return port
    }
  }
}

function sleepSync(ms: number): void {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ms)
}
