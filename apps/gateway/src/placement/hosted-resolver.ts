import { backend, type Backend, type Disposer, type Resolver, type RouteRequest } from '@proxy/kernel'
import type { PeerLink } from '../fleet/peer-link.ts'
import { LeaseHolder } from './lease-holder.ts'
import { WakeFlights } from './wake-flights.ts'
import { decodeBackend, encodeResolution, type Lease, topics } from './wire.ts'

const mostRemembered = 8_192
const optional = ['wake', 'sleep', 'track', 'purge', 'onConnect', 'onDisconnect'] as const

/** A resolver in the primary process, for the workers that hold a lease of it. */
export class HostedResolver {
  readonly id: number
  readonly #resolver: Resolver
  readonly #peers: PeerLink
  readonly #flights: WakeFlights
  readonly #unwatch: Disposer | undefined
  readonly #leases = new Set<LeaseHolder>()
  /** As they were answered: a resolver may tell its backends apart by identity. */
  readonly #sleeping = new Map<string, Backend>()
  /** Nobody has asked for them since a worker called them idle. */
  readonly #idle = new Set<string>()
  #kept = true
  #closing: Promise<void> | undefined

  constructor(id: number, resolver: Resolver, peers: PeerLink) {
    this.id = id
    this.#resolver = resolver
    this.#peers = peers
    this.#flights = new WakeFlights(resolver)
    this.#unwatch = resolver.watch?.((id) => this.#changed(id))
  }

  lease(id: number, worker: number): { holder: LeaseHolder; lease: Lease } {
    const holder = new LeaseHolder(id, worker, this.#resolver)
    this.#leases.add(holder)
    const methods = optional.filter((method) => this.#resolver[method] !== undefined)
    return { holder, lease: { id, resolver: this.id, name: this.#resolver.name, methods } }
  }

  hosts(resolver: Resolver): boolean {
    return this.#resolver === resolver && this.#closing === undefined
  }

  /** A configuration asks for it, which may be another one than before. */
  keep(): void {
    this.#kept = true
  }

  /** Settles when the resolver has closed, where that was the last lease of one that is not kept. */
  async release(holder: LeaseHolder): Promise<void> {
    if (!this.#leases.delete(holder)) return
    holder.end()
    if (!this.#kept && this.#leases.size === 0) await this.close()
  }

  /** A later configuration takes its place: it closes with its last lease. */
  async retire(): Promise<void> {
    this.#kept = false
    if (this.#leases.size === 0) await this.close()
  }

  async resolve(request: RouteRequest, signal: AbortSignal): Promise<unknown> {
    const made = backend(await this.#resolver.resolve(request, signal))
    this.#idle.delete(made.id)
    if (made.state === 'asleep') this.#remember(made)
    return encodeResolution(made)
  }

  async wake(encoded: unknown, signal: AbortSignal): Promise<unknown> {
    const sent = decodeBackend(encoded)
    this.#idle.delete(sent.id)
    return encodeResolution(await this.#flights.wake(this.#sleeping.get(sent.id) ?? sent, sent, signal))
  }

  /** Only when no worker uses the backend, and none asks for it meanwhile. */
  async sleep(holder: LeaseHolder, id: string): Promise<void> {
    this.#idle.add(id)
    const others = [...this.#leases].filter((other) => other !== holder)
    const used = await Promise.all(others.map((other) => this.#usedBy(other, id)))
    if (used.includes(true) || !this.#idle.delete(id)) return
    await this.#resolver.sleep?.(this.#sleeping.get(id) ?? backend({ id, endpoint: 'localhost' }))
  }

  async purge(key: string): Promise<void> {
    await this.#resolver.purge?.(key)
  }

  stats(): Record<string, unknown> {
    return this.#resolver.stats?.() ?? {}
  }

  close(): Promise<void> {
    this.#closing ??= this.#close()
    return this.#closing
  }

  async #close(): Promise<void> {
    for (const holder of this.#leases) holder.end()
    this.#leases.clear()
    this.#unwatch?.()
    await this.#resolver.close?.()
  }

  #changed(id: string): void {
    for (const { id: lease, worker } of this.#leases) {
      this.#peers.request(worker, topics.changed, { lease, backend: id }).catch(() => undefined)
    }
  }

  /** One that does not answer may be using it. */
  async #usedBy({ id: lease, worker }: LeaseHolder, id: string): Promise<boolean> {
    try {
      return (await this.#peers.request(worker, topics.used, { lease, backend: id })) !== false
    } catch {
      return true
    }
  }

  #remember(made: Backend): void {
    this.#sleeping.delete(made.id)
    this.#sleeping.set(made.id, made)
    if (this.#sleeping.size <= mostRemembered) return
    for (const oldest of this.#sleeping.keys()) {
      this.#sleeping.delete(oldest)
      return
    }
  }
}
