import { type Address, type DrainOptions, Gateway, type GatewayOptions, type Transport } from '@proxy/kernel'
import type { WorkerSnapshot } from '../admin/snapshot.ts'
import { assemble, type AssembleContext } from '../config/assemble.ts'
import type { LoadedConfig } from '../config/load.ts'
import type { Logger } from '../logging/logger.ts'
import { Observers } from '../logging/observers.ts'
import type { Resolvers } from '../placement/resolvers.ts'
import { Announcer, announceTopic } from './announcer.ts'
import { GatedTransport } from './gated-transport.ts'
import { operations } from './operations.ts'
import type { PeerLink } from './peer-link.ts'

/** A listener as it was bound. */
export interface BoundListener {
  readonly name: string
  readonly protocol: string
  readonly address: Address
  readonly tls: string
}

export interface UnitContext {
  readonly peers: PeerLink
  readonly logger: Logger
  /** Secret that the workers share, so that TLS sessions begun in one are resumed in another. */
  readonly ticketKeys: Buffer
  readonly resolvers: Resolvers
  readonly transport: Transport
}

/** One gateway in this process: the whole of it when there is one worker. */
export class Unit {
  readonly #context: UnitContext
  readonly #observers: Observers
  readonly #announcer: Announcer
  readonly #transport: GatedTransport
  #gateway: Gateway | undefined
  #loaded: LoadedConfig
  #prepared: { readonly loaded: LoadedConfig; readonly options: GatewayOptions } | undefined
  #previous: LoadedConfig | undefined

  constructor(loaded: LoadedConfig, context: UnitContext) {
    this.#loaded = loaded
    this.#context = context
    this.#transport = new GatedTransport(context.transport)
    const { peers, logger } = context
    this.#observers = new Observers(loaded, { logger, worker: peers.self, stats: () => this.#gateway?.stats() })
    // Nobody listens: then nobody misses it.
    this.#announcer = new Announcer((news) => void peers.request(0, announceTopic, news).catch(() => undefined))
  }

  async open(): Promise<readonly BoundListener[]> {
    this.#gateway = new Gateway(await this.#build(this.#loaded))
    await this.#gateway.open()
    return this.#bound()
  }

  /** First half of a reload: everything that can fail without touching what runs. */
  async prepare(loaded: LoadedConfig): Promise<void> {
    const options = await this.#build(loaded)
    try {
      // Its constructor checks the options.
      void new Gateway(options)
    } catch (error) {
      await this.#discard(options)
      throw error
    }
    this.#prepared = { loaded, options }
  }

  /** Second half: sessions under way are not touched. */
  async commit(): Promise<readonly BoundListener[]> {
    const prepared = this.#prepared
    if (prepared === undefined) throw new Error('no reload was prepared')
    this.#prepared = undefined
    await this.#running.reload(prepared.options)
    this.#previous = this.#loaded
    this.#loaded = prepared.loaded
    this.#context.logger.level = prepared.loaded.config.log?.level ?? 'info'
    this.#observers.reopen()
    return this.#bound()
  }

  /** Undoes the first half, or both when another process failed at the second. */
  async rollback(): Promise<void> {
    if (this.#prepared !== undefined) await this.#discard(this.#prepared.options)
    this.#prepared = undefined
    if (this.#previous === undefined) return
    const previous = this.#previous
    this.#previous = undefined
    await this.#running.reload(await this.#build(previous))
    this.#loaded = previous
  }

  /** Every process committed: there is no way back from here. */
  settle(): void {
    this.#previous = undefined
  }

  /** `stopped` is awaited when nothing is accepted any longer, before sessions are asked to leave. */
  async drain(options: DrainOptions, stopped?: () => Promise<void>): Promise<void> {
    this.#transport.gate = stopped
    await this.#gateway?.drain(options)
  }

  async close(): Promise<void> {
    await this.#gateway?.close()
    await this.#observers.close()
  }

  snapshot(): WorkerSnapshot {
    const { user, system } = process.cpuUsage()
    return {
      worker: this.#context.peers.self,
      pid: process.pid,
      gateway: this.#running.stats(),
      ...this.#observers.snapshot(),
      residentBytes: process.memoryUsage.rss(),
      cpuSeconds: (user + system) / 1e6,
    }
  }

  /** Answers what an operator asks, by topic. */
  async operate(topic: string, message: unknown): Promise<unknown> {
    return operations[topic]?.(this.#running, message)
  }

  async #build(loaded: LoadedConfig): Promise<GatewayOptions> {
    const resolver = await this.#context.resolvers.open(loaded)
    try {
      return { ...assemble(loaded, this.#assembleContext(resolver)), transport: this.#transport }
    } catch (error) {
      await this.#discard({ resolver })
      throw error
    }
  }

  #assembleContext(resolver: GatewayOptions['resolver']): AssembleContext {
    const { peers, ticketKeys } = this.#context
    const observers = [...this.#observers.layers(), this.#announcer]
    return { resolver, peers, ticketKeys, observers, tracer: this.#observers.tracer }
  }

  /** Of a configuration that was never taken. */
  #discard({ resolver }: Pick<GatewayOptions, 'resolver'>): Promise<void> {
    return this.#context.resolvers.discard(resolver)
  }

  get #running(): Gateway {
    if (this.#gateway === undefined) throw new Error('the gateway was not opened')
    return this.#gateway
  }

  #bound(): BoundListener[] {
    const { listeners } = this.#running.stats()
    return listeners.map(({ name, protocol, address }, index) => {
      const tls = this.#loaded.config.listeners[index]?.tls
      return { name, protocol, address, tls: tls === undefined ? 'off' : (tls.mode ?? 'on') }
    })
  }
}
