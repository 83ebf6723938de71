import { formatAddress } from './address.ts'
import { systemClock } from './clock.ts'
import type {
  Address,
  Clock,
  DrainOptions,
  GatewayApi,
  GatewayOptions,
  GatewayPhase,
  GatewayStats,
  Layer,
  ListenerTls,
  Peers,
  Protocol,
  ProtocolContext,
  Resolver,
  SessionFilter,
  SessionStats,
  Transport,
} from './contracts.ts'
import { GatewayError } from './errors.ts'
import { Generation, type ListenerSetup } from './generation.ts'
import { Hooks } from './hooks.ts'
import { GatewayListener, type ListenerHost } from './listener.ts'
import { type GatewaySettings, gatewaySettings } from './options.ts'
import type { GatewaySession } from './session.ts'
import { Pipeline } from './pipeline.ts'
import { nodeTransport } from './transport/node.ts'

const alone: Peers = {
  self: 0,
  request: () => Promise.reject(new GatewayError('PROXY_INTERNAL', { cause: new Error('no such peer') })),
  answer: () => () => {},
}

/** The end of a drain, in which sessions that were never silent are ended at their next quiet moment. */
const longestHurryMs = 1_000

/** Options, checked, and what was built of them. */
interface Assembly {
  readonly options: GatewayOptions
  readonly settings: GatewaySettings
  readonly generation: Generation
  readonly setups: readonly ListenerSetup[]
}

/** The root of everything: see {@link GatewayApi}. Throws `PROXY_CONFIG_INVALID` when the options make no sense. */
export class Gateway implements GatewayApi, ListenerHost {
  readonly hooks: Hooks
  readonly clock: Clock
  readonly #transport: Transport
  readonly #peers: Peers
  readonly #shared = new Map<string, unknown>()
  readonly #closing: Set<GatewayListener> = new Set()
  /** How many generations use it: one may outlive a reload. */
  readonly #resolverUsers: Map<Resolver, number> = new Map()
  readonly #resolversClosing: Set<Promise<void>> = new Set()
  #options: GatewayOptions
  #assembly: Assembly | undefined = undefined
  #listeners: readonly GatewayListener[] = []
  #phase: GatewayPhase = 'idle'
  #sessionCount = 0
  /** Who waits for the last session to end: a drain, and perhaps a close that overtakes it. */
  readonly #waiters: Set<() => void> = new Set()
  #ending: Promise<void> | undefined = undefined
  #skipDelay: (() => void) | undefined = undefined

  constructor(options: GatewayOptions) {
    gatewaySettings(options)
    this.#options = options
    this.hooks = options.hooks ?? new Hooks()
    this.clock = options.clock ?? systemClock
    this.#transport = options.transport ?? nodeTransport()
    this.#peers = options.peers ?? alone
  }

  get phase(): GatewayPhase {
    return this.#phase
  }

  get addresses(): readonly Address[] {
    return this.#listeners.map((listener) => listener.address)
  }

  async open(): Promise<void> {
    if (this.#phase !== 'idle')
      throw new GatewayError('PROXY_INTERNAL', { cause: new Error(`open when ${this.#phase}`) })
    this.#phase = 'open'
    try {
      this.#assembly = await this.#assemble(this.#options)
      this.#listeners = await this.#bind(this.#assembly.setups)
    } catch (error) {
      this.#assembly?.generation.retire()
      this.#phase = 'closed'
      throw error
    }
    this.hooks.emit('gateway:open', { listeners: this.#listeners.map((listener) => formatAddress(listener.address)) })
  }

  async reload(options: GatewayOptions): Promise<void> {
    const previous = this.#assembly
    if (this.#phase !== 'open' || previous === undefined) {
      throw new GatewayError('PROXY_INTERNAL', { cause: new Error(`reload when ${this.#phase}`) })
    }
    const assembly = await this.#assemble(options)
    const kept = new Map(assembly.setups.map((setup) => [setup, this.#listenerFor(setup)]))
    const added = await this.#bind(assembly.setups.filter((setup) => kept.get(setup) === undefined)).catch((error) => {
      assembly.generation.retire()
      throw error
    })
    this.#assembly = assembly
    this.#options = options
    await this.#replaceListeners(assembly.setups, kept, added)
    previous.generation.retire()
  }

  drain(options: DrainOptions = {}): Promise<void> {
    this.#ending ??= this.#drain(options.delayMs ?? 0, options.deadlineMs ?? 30_000)
    return this.#ending
  }

  async close(): Promise<void> {
    this.#phase = this.#phase === 'closed' ? 'closed' : 'draining'
    this.#skipDelay?.()
    await this.#stopListening()
    await this.#endSessions(new GatewayError('PROXY_KILLED'))
    await this.#finish()
  }

  async purge(key: string): Promise<void> {
    this.hooks.emit('route:purge', { key })
    await this.#assembly?.settings.resolver.purge?.(key)
  }

  stats(): GatewayStats {
    return {
      phase: this.#phase,
      sessions: this.#open,
      listeners: this.#listeners.map((listener) => listener.stats),
      resolver: this.#assembly?.settings.resolver.stats?.() ?? {},
      layers: layerStats(this.#assembly?.settings.layers ?? []),
    }
  }

  sessions(filter: SessionFilter = {}, limit = 100): readonly SessionStats[] {
    return this.#sessions()
      .filter((session) => matches(session, filter))
      .slice(0, limit)
      .map((session) => session.stats)
  }

  kill(filter: SessionFilter): number {
    const sessions = this.#sessions().filter((session) => matches(session, filter))
    for (const session of sessions) session.kill(new GatewayError('PROXY_KILLED'))
    return sessions.length
  }

  nextSession(): string {
    this.#sessionCount += 1
    return `${this.#peers.self.toString(36)}-${this.#sessionCount.toString(36)}`
  }

  sessionEnded(): void {
    for (const listener of this.#closing) if (listener.sessions.size === 0) this.#closing.delete(listener)
    if (this.#waiters.size > 0 && this.#open === 0) for (const settle of this.#waiters) settle()
  }

  async #assemble(options: GatewayOptions): Promise<Assembly> {
    const settings = gatewaySettings(options)
    const pipeline = new Pipeline({
      ...settings,
      transport: this.#transport,
      backendTls: options.backendTls,
      hooks: this.hooks,
      clock: this.clock,
      listening: () => this.addresses,
      waited: (session, wakeMs) => this.#find(session)?.waited(wakeMs),
      protocolOf: (listener, name) => protocolOf(settings, listener, name),
      tlsModeOf: (listener) => settings.listeners.find(({ name }) => name === listener)?.tls?.mode ?? 'off',
    })
    const { resolver } = settings
    this.#resolverUsers.set(resolver, (this.#resolverUsers.get(resolver) ?? 0) + 1)
    const generation = new Generation(pipeline, () => this.#leaveResolver(resolver))
    const protocols = new Set(settings.listeners.flatMap((listener) => listener.protocols))
    const tls = new Set(settings.listeners.flatMap((listener): ListenerTls[] => (listener.tls ? [listener.tls] : [])))
    try {
      await generation.setup(protocols, tls, (protocol) => this.#context(generation, protocol))
    } catch (error) {
      generation.retire()
      throw error
    }
    const setups = settings.listeners.map((listener) => ({
      ...listener,
      generation,
      hasPrologue: hasPrologue(listener),
    }))
    return { options, settings, generation, setups }
  }

  #context(generation: Generation, protocol: Protocol): ProtocolContext {
    const { hooks, clock } = this
    return {
      hooks,
      clock,
      peers: this.#peers,
      shared: (name, make) => this.#share(name, make),
      dial: (backend, key, signal) => generation.dial(protocol, backend, key, signal),
    }
  }

  #share<T>(name: string, make: () => T): T {
    if (!this.#shared.has(name)) this.#shared.set(name, make())
    return this.#shared.get(name) as T
  }

  /** All or none. */
  async #bind(setups: readonly ListenerSetup[]): Promise<readonly GatewayListener[]> {
    const listeners = setups.map((setup) => new GatewayListener(setup, this))
    const results = await Promise.allSettled(listeners.map((listener) => listener.open(this.#transport)))
    const failed = results.find((result) => result.status === 'rejected')
    if (failed === undefined) return listeners
    await Promise.all(listeners.map((listener) => listener.close()))
    throw failed.reason
  }

  /** The listener that is to go on under a new setup: the one at its address, or of its name when any port will do. */
  #listenerFor({ address: { host, port }, name }: ListenerSetup): GatewayListener | undefined {
    return this.#listeners.find(({ setup, address }) => {
      if (setup.address.host !== host) return false
      return port === 0 ? setup.address.port === 0 && setup.name === name : address.port === port
    })
  }

  async #replaceListeners(
    setups: readonly ListenerSetup[],
    kept: ReadonlyMap<ListenerSetup, GatewayListener | undefined>,
    added: readonly GatewayListener[],
  ): Promise<void> {
    const before = this.#listeners
    const fresh = [...added]
    this.#listeners = setups.map((setup) => kept.get(setup) ?? (fresh.shift() as GatewayListener))
    for (const [setup, listener] of kept) listener?.replace(setup)
    const removed = before.filter((listener) => !this.#listeners.includes(listener))
    for (const listener of removed) await this.#retireListener(listener)
  }

  async #retireListener(listener: GatewayListener): Promise<void> {
    this.#closing.add(listener)
    await listener.close()
    for (const session of listener.sessions.values()) session.drain()
    if (listener.sessions.size === 0) this.#closing.delete(listener)
  }

  /** How many sessions there are. A drain asks at the end of every one. */
  get #open(): number {
    let open = 0
    for (const listener of this.#listeners) open += listener.sessions.size
    for (const listener of this.#closing) open += listener.sessions.size
    return open
  }

  #sessions(): GatewaySession[] {
    return [...this.#listeners, ...this.#closing].flatMap((listener) => [...listener.sessions.values()])
  }

  #find(session: string): GatewaySession | undefined {
    return find(this.#listeners, session) ?? find(this.#closing, session)
  }

  async #drain(delayMs: number, deadlineMs: number): Promise<void> {
    this.#phase = 'draining'
    this.hooks.emit('gateway:drain', { deadlineMs })
    if (delayMs > 0) await this.#wait(delayMs)
    await this.#stopListening()
    for (const session of this.#sessions()) session.drain()
    const hurryMs = Math.min(longestHurryMs, deadlineMs / 2)
    await this.#untilIdle(deadlineMs - hurryMs)
    for (const session of this.#sessions()) session.hurry()
    await this.#untilIdle(hurryMs)
    await this.#endSessions(new GatewayError('PROXY_DRAINING'))
    await this.#finish()
  }

  async #stopListening(): Promise<void> {
    await Promise.all(this.#listeners.map((listener) => listener.close()))
  }

  async #endSessions(error: GatewayError): Promise<void> {
    for (const session of this.#sessions()) session.kill(error)
    await this.#untilIdle(undefined)
  }

  /** Settles when no session is left, or after `deadlineMs`. */
  #untilIdle(deadlineMs: number | undefined): Promise<void> {
    if (this.#open === 0) return Promise.resolve()
    return new Promise((resolve) => {
      const settle = (): void => {
        cancel?.()
        this.#waiters.delete(settle)
        resolve()
      }
      const cancel = deadlineMs === undefined ? undefined : this.clock.after(deadlineMs, settle)
      this.#waiters.add(settle)
    })
  }

  /** The delay of a drain; a `close` does not wait for it. */
  #wait(delayMs: number): Promise<void> {
    return new Promise((resolve) => {
      const cancel = this.clock.after(delayMs, resolve)
      this.#skipDelay = () => {
        cancel()
        resolve()
      }
    })
  }

  async #finish(): Promise<void> {
    if (this.#phase === 'closed') return
    this.#phase = 'closed'
    this.#assembly?.generation.retire()
    await Promise.all(this.#resolversClosing)
    await this.#transport.close?.()
    this.hooks.emit('gateway:close', {})
  }

  /** A resolver that another configuration uses, or sessions of one before, must not be closed with this one. */
  #leaveResolver(resolver: Resolver): void {
    const users = (this.#resolverUsers.get(resolver) ?? 1) - 1
    if (users > 0) {
      this.#resolverUsers.set(resolver, users)
      return
    }
    this.#resolverUsers.delete(resolver)
    const closing = this.#closed(resolver).finally(() => this.#resolversClosing.delete(closing))
    this.#resolversClosing.add(closing)
  }

  async #closed(resolver: Resolver): Promise<void> {
    try {
      await resolver.close?.()
    } catch (error) {
      this.hooks.emit('gateway:error', { source: 'resolver', error })
    }
  }
}

function layerStats(layers: readonly Layer[]): Record<string, Record<string, unknown>> {
  return Object.fromEntries(layers.flatMap((layer) => (layer.stats === undefined ? [] : [[layer.name, layer.stats()]])))
}

function matches(session: GatewaySession, { session: id, key, listener }: SessionFilter): boolean {
  if (id !== undefined && session.id !== id) return false
  if (key !== undefined && session.key !== key) return false
  return listener === undefined || session.listener === listener
}

function protocolOf({ listeners }: GatewaySettings, listener: string, name: string): Protocol | undefined {
  const among = listeners.find((one) => one.name === listener)?.protocols ?? []
  return among.find((protocol) => protocol.name === name)
}

function hasPrologue({ trusted, tls, protocols }: GatewaySettings['listeners'][number]): boolean {
  return trusted !== undefined || tls?.mode === 'implicit' || protocols.length > 1
}

function find(listeners: Iterable<GatewayListener>, session: string): GatewaySession | undefined {
  for (const listener of listeners) {
    const found = listener.sessions.get(session)
    if (found !== undefined) return found
  }
  return undefined
}
