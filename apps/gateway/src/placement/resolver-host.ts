import { type Resolver, type RouteRequest, toResolver } from '@proxy/kernel'
import type { LoadedConfig } from '../config/load.ts'
import type { PeerLink } from '../fleet/peer-link.ts'
import type { Logger } from '../logging/logger.ts'
import { HostedResolver } from './hosted-resolver.ts'
import type { LeaseHolder } from './lease-holder.ts'
import type { Resolvers } from './resolvers.ts'
import {
  type ActivityMessage,
  type BackendMessage,
  type CallMessage,
  encodeError,
  type Lease,
  type Outcome,
  topics,
} from './wire.ts'

interface Held {
  readonly hosted: HostedResolver
  readonly holder: LeaseHolder
}

/**
 * The resolvers that live in the primary process, once for all workers: those that start something. There is one for each
 * configuration that is, or is still, in use.
 */
export class ResolverHost {
  readonly #peers: PeerLink
  readonly #resolvers: Resolvers
  readonly #logger: Logger
  /** By generation, those that workers may ask for. undefined: each worker has its own. */
  readonly #generations = new Map<number, HostedResolver | undefined>()
  readonly #held = new Map<number, Held>()
  #current = 0
  #leases = 0
  #count = 0

  constructor(peers: PeerLink, resolvers: Resolvers, logger: Logger) {
    this.#peers = peers
    this.#resolvers = resolvers
    this.#logger = logger
    this.#answer()
  }

  /** Makes what a configuration asks for, before any worker does. */
  async prepare(loaded: LoadedConfig): Promise<void> {
    const resolver = toResolver(await this.#resolvers.open(loaded))
    const here = placementOf(resolver) === 'primary'
    if (!here) await this.#resolvers.discard(resolver)
    this.#generations.set(loaded.generation, here ? this.#hosted(resolver) : undefined)
  }

  /** Every worker has taken it: what was before ends with its last sessions. */
  commit(generation: number): void {
    this.#current = generation
    this.#retire((other) => other !== generation)
  }

  /** No worker keeps it. */
  rollback(generation: number): void {
    this.#retire((other) => other === generation)
  }

  /** A worker process is gone, and with it everything that it had. */
  forget(worker: number): void {
    for (const held of this.#held.values()) if (held.holder.worker === worker) this.#logged(this.#release(held))
  }

  /** undefined: each worker has its own. */
  stats(): Record<string, unknown> | undefined {
    return this.#generations.get(this.#current)?.stats()
  }

  async close(): Promise<void> {
    const hosted = [...this.#generations.values(), ...[...this.#held.values()].map((held) => held.hosted)]
    await Promise.all([...new Set(hosted)].map(async (one) => one?.close()))
  }

  /** One that a reload keeps has the leases of both configurations. */
  #hosted(resolver: Resolver): HostedResolver {
    const all = [...this.#generations.values(), ...[...this.#held.values()].map(({ hosted }) => hosted)]
    const known = all.find((hosted) => hosted?.hosts(resolver))
    known?.keep()
    return known ?? new HostedResolver(++this.#count, resolver, this.#peers)
  }

  #retire(which: (generation: number) => boolean): void {
    for (const [generation, hosted] of this.#generations) {
      if (!which(generation)) continue
      this.#generations.delete(generation)
      const goesOn = [...this.#generations.values()].includes(hosted)
      if (hosted !== undefined && !goesOn) this.#logged(hosted.retire())
    }
  }

  #answer(): void {
    const { open, release, resolve, wake, abort, sleep, activity, purge } = topics
    const held = (message: unknown): Held => this.#heldBy((message as { lease: number }).lease)
    this.#peers.answer(open, (generation, from) => this.#open(generation as number, from))
    this.#peers.answer(release, (message) => this.#release(held(message)))
    this.#peers.answer(resolve, (message) =>
      this.#call(message, ({ hosted }, subject, signal) => hosted.resolve(subject as RouteRequest, signal)),
    )
    this.#peers.answer(wake, (message) =>
      this.#call(message, ({ hosted }, subject, signal) => hosted.wake(subject, signal)),
    )
    this.#peers.answer(abort, (message) => held(message).holder.abort((message as CallMessage).call))
    this.#peers.answer(sleep, (message) => this.#sleep(message as BackendMessage))
    this.#peers.answer(activity, (message) => this.#activity(message as ActivityMessage))
    this.#peers.answer(purge, (message) => held(message).hosted.purge((message as { key: string }).key))
  }

  /** A worker that was started late may ask for a configuration that was never taken. */
  #open(generation: number, worker: number): Lease | undefined {
    const asked = this.#generations.has(generation) ? generation : this.#current
    const hosted = this.#generations.get(asked)
    if (hosted === undefined) return undefined
    const { holder, lease } = hosted.lease(++this.#leases, worker)
    this.#held.set(lease.id, { hosted, holder })
    return lease
  }

  async #release({ hosted, holder }: Held): Promise<void> {
    this.#held.delete(holder.id)
    await hosted.release(holder)
  }

  /** Never rejects: an error would lose what it knows on its way. */
  async #call(
    message: unknown,
    work: (held: Held, subject: unknown, signal: AbortSignal) => Promise<unknown>,
  ): Promise<Outcome> {
    const { lease, call, subject } = message as CallMessage
    try {
      const held = this.#heldBy(lease)
      return { value: await held.holder.call(call, (signal) => work(held, subject, signal)) }
    } catch (error) {
      return { error: encodeError(error) }
    }
  }

  async #sleep({ lease, backend }: BackendMessage): Promise<void> {
    const { hosted, holder } = this.#heldBy(lease)
    await hosted.sleep(holder, backend)
  }

  #activity({ lease, activities }: ActivityMessage): void {
    const { holder } = this.#heldBy(lease)
    for (const one of activities) this.#guarded(() => holder.take(one))
  }

  #heldBy(lease: number): Held {
    const held = this.#held.get(lease)
    if (held === undefined) throw new Error('that resolver was given back')
    return held
  }

  /** A resolver that fails to take note harms no session. */
  #guarded(work: () => void): void {
    try {
      work()
    } catch (error) {
      this.#logger.error({ err: error }, 'the resolver failed to take note of a session')
    }
  }

  #logged(work: Promise<void>): void {
    work.catch((error: unknown) => this.#logger.error({ err: error }, 'a resolver did not close in order'))
  }
}

const placementOf = ({ placement, wake }: Resolver): 'primary' | 'worker' =>
  placement ?? (wake === undefined ? 'worker' : 'primary')
