import type { ResolveFunction, Resolver } from '@proxy/kernel'
import type { LoadedConfig } from '../config/load.ts'
import { resolverOf } from '../config/resolver-of.ts'
import type { PeerLink } from '../fleet/peer-link.ts'
import { Opens } from './opens.ts'
import type { Resolvers } from './resolvers.ts'
import { type StandIn, standIn } from './stand-in.ts'
import { type BackendMessage, type Lease, topics } from './wire.ts'

const primary = 0
// Reading a configuration, which may have been under way there for a while.
const openTimeoutMs = 30_000

/** In a worker: a stand-in for the resolver of the primary process, or one of its own where that has none. */
export class PrimaryResolvers implements Resolvers {
  readonly #peers: PeerLink
  /** By lease. */
  readonly #standIns = new Map<number, StandIn>()
  readonly #opens = new Opens()

  constructor(peers: PeerLink) {
    this.#peers = peers
    peers.answer(topics.changed, (message) => {
      const { lease, backend } = message as BackendMessage
      this.#standIns.get(lease)?.inner.changed(backend)
    })
    peers.answer(topics.used, (message) => {
      const { lease, backend } = message as BackendMessage
      return this.#standIns.get(lease)?.inner.used(backend) ?? false
    })
  }

  async open(loaded: LoadedConfig): Promise<Resolver | ResolveFunction> {
    const lease = await this.#peers.ask(primary, topics.open, loaded.generation, openTimeoutMs)
    if (lease === undefined || lease === null) return this.#opens.add(await resolverOf(loaded))
    await closeUnused(loaded.config.resolver)
    return this.#opens.add(await this.#standIn(lease as Lease))
  }

  discard(resolver: Resolver | ResolveFunction): Promise<void> {
    return this.#opens.discard(resolver)
  }

  /** A resolver that a reload keeps keeps its stand-in: what is known of it, and of who uses it, goes on. */
  async #standIn(lease: Lease): Promise<Resolver> {
    const known = [...this.#standIns.values()].find(({ of }) => of === lease.resolver)
    if (known !== undefined) {
      await this.#peers.request(primary, topics.release, { lease: lease.id })
      return known.resolver
    }
    const made = standIn(lease, this.#peers, () => this.#standIns.delete(lease.id))
    this.#standIns.set(lease.id, made)
    return made.resolver
  }
}

/** A config file that is a module has made one here, too. */
async function closeUnused(resolver: LoadedConfig['config']['resolver']): Promise<void> {
  if (typeof resolver === 'object' && 'close' in resolver) await resolver.close?.()
}
