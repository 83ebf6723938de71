import { type Backend, type Resolution, type Resolver, ResolveError, type RouteRequest } from '@proxy/kernel'
import type { PeerLink } from '../fleet/peer-link.ts'
import { type EmbeddedPlan, goneTopic, type ServerName, wakeTopic } from './plan.ts'
import { isServerName, servers } from './servers.ts'
import { tenants } from './tenants.ts'

const wakeTimeoutMs = 120_000

/** Knows the tenants of the embedded default; the servers of their databases are asleep until somebody connects. */
export function embeddedResolver(plan: EmbeddedPlan, peers: PeerLink): Resolver {
  return new EmbeddedResolver(plan, peers)
}

class EmbeddedResolver implements Resolver {
  readonly name = 'embedded'
  readonly #plan: EmbeddedPlan
  readonly #peers: PeerLink
  readonly #watchers = new Set<(backendId: string) => void>()
  readonly #awake = new Set<ServerName>()
  #wakes = 0

  constructor(plan: EmbeddedPlan, peers: PeerLink) {
    this.#plan = plan
    this.#peers = peers
    peers.answer(goneTopic, (name) => this.#gone(name as ServerName))
  }

  /** The listeners of the embedded default are named after what stands behind them. */
  resolve({ listener, key }: RouteRequest): Resolution {
    if (isServerName(listener)) return this.#database(listener, key)
    return hostOf(listener === 'smtp' ? this.#plan.mail : this.#plan.web, key)
  }

  async wake({ id }: Backend, _signal: AbortSignal): Promise<Resolution> {
    if (!isServerName(id)) throw new ResolveError('INTERNAL')
    await this.#peers.ask(0, wakeTopic, id, wakeTimeoutMs)
    this.#awake.add(id)
    this.#wakes++
    return this.#server(id)
  }

  watch(changed: (backendId: string) => void): () => void {
    this.#watchers.add(changed)
    return () => this.#watchers.delete(changed)
  }

  stats(): Record<string, unknown> {
    return { wakes: this.#wakes }
  }

  #database(server: ServerName, name: string): Resolution {
    if (!(tenants as readonly string[]).includes(name)) throw unknown(tenants)
    return this.#server(server)
  }

  #server(name: ServerName): Resolution {
    const port = this.#plan.servers[name]
    if (port === undefined) throw new ResolveError('UNAVAILABLE', { hint: `Install it: ${servers[name].install}` })
    return { id: name, endpoint: `127.0.0.1:${port}`, state: this.#awake.has(name) ? 'ready' : 'asleep' }
  }

  #gone(name: ServerName): void {
    this.#awake.delete(name)
    for (const changed of this.#watchers) changed(name)
  }
}

function hostOf(ports: Readonly<Record<string, number>>, host: string): Resolution {
  const name = host.endsWith('.localhost') ? host.slice(0, -'.localhost'.length) : ''
  const port = Object.hasOwn(ports, name) ? ports[name] : undefined
  if (port === undefined) throw unknown(tenants.map((tenant) => `${tenant}.localhost`))
  return `127.0.0.1:${port}`
}

const unknown = (known: readonly string[]): ResolveError =>
  new ResolveError('NOT_FOUND', { hint: `Try ${known.join(' or ')}.` })
