import type { ResolveFunction, Resolver } from '@proxy/kernel'
import type { LoadedConfig } from '../config/load.ts'
import { resolverOf } from '../config/resolver-of.ts'
import type { PeerLink } from '../fleet/peer-link.ts'
import type { Resolvers } from './resolvers.ts'
import { standIn, type StandInCalls } from './stand-in.ts'
import { type BackendMessage, type Lease, topics } from './wire.ts'

const primary = 0
// Reading a configuration, which may have been under way there for a while.
const openTimeoutMs = 30_000

/** In a worker: a stand-in for the resolver of the primary process, or one of its own where that has none. */
export class PrimaryResolvers implements Resolvers {
  readonly #peers: PeerLink
  readonly #standIns = new Map<number, StandInCalls>()

  constructor(peers: PeerLink) {
    this.#peers = peers
    peers.answer(topics.changed, (message) => {
      const { lease, backend } = message as BackendMessage
      this.#standIns.get(lease)?.changed(backend)
    })
    peers.answer(topics.used, (message) => {
      const { lease, backend } = message as BackendMessage
      return this.#standIns.get(lease)?.used(backend) ?? false
    })
  }

  async open(loaded: LoadedConfig): Promise<Resolver | ResolveFunction> {
    const lease = await this.#peers.ask(primary, topics.open, loaded.generation, openTimeoutMs)
    if (lease === undefined || lease === null) return resolverOf(loaded)
    await closeUnused(loaded.config.resolver)
    return this.#standIn(lease as Lease)
  }

  #standIn(lease: Lease): Resolver {
    const { resolver, inner } = standIn(lease, this.#peers, () => this.#standIns.delete(lease.id))
    this.#standIns.set(lease.id, inner)
    return resolver
  }
}

/** A config file that is a module has made one here, too. */
async function closeUnused(resolver: LoadedConfig['config']['resolver']): Promise<void> {
  if (typeof resolver === 'object' && 'close' in resolver) await resolver.close?.()
}
