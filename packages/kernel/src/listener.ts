import type { Acceptor, Address, Binding, Clock, Disposer, Link, ListenerStats, Transport } from './contracts.ts'
import { GatewayError } from './errors.ts'
import type { ListenerSetup } from './generation.ts'
import type { Hooks } from './hooks.ts'
import { Rate } from './rate.ts'
import { GatewaySession, type SessionHost } from './session.ts'

/** How often handshake deadlines are looked at: they are late by up to this. */
const sweepMs = 250

/** What listeners share: names for sessions, and who waits for them to end. */
export interface ListenerHost {
  readonly hooks: Hooks
  readonly clock: Clock
  nextSession(): string
  sessionEnded(): void
}

/** A bound address and the sessions that came in through it. */
export class GatewayListener implements Acceptor, SessionHost {
  /** The open ones by their ids, oldest first. */
  readonly sessions: Map<string, GatewaySession> = new Map()
  readonly #host: ListenerHost
  readonly #handshakes: Set<GatewaySession> = new Set()
  #setup: ListenerSetup
  #rate: Rate
  #binding: Binding | undefined = undefined
  #stopSweep: Disposer | undefined = undefined
  #accepted = 0
  #refused = 0

  constructor(setup: ListenerSetup, host: ListenerHost) {
    this.#setup = setup
    this.#host = host
    this.#rate = new Rate(setup.limits.maxConnectionRate, host.clock.now())
  }

  get setup(): ListenerSetup {
    return this.#setup
  }

  /** The address that is bound, or the one that was asked for. */
  get address(): Address {
    return this.#binding?.address ?? this.#setup.address
  }

  get stats(): ListenerStats {
    const { name, protocols } = this.#setup
    return {
      name,
      address: this.address,
      protocol: protocols.map((protocol) => protocol.name).join('+'),
      connections: this.sessions.size,
      accepted: this.#accepted,
      refused: this.#refused,
    }
  }

  async open(transport: Transport): Promise<void> {
    const { address, backlog, reusePort, name } = this.#setup
    try {
      this.#binding = await transport.listen({ ...address, backlog, reusePort }, this)
    } catch (cause) {
      const { code } = cause as NodeJS.ErrnoException
      const message = `listener ${name}: cannot bind ${address.host}:${address.port} (${code ?? 'unknown error'})`
      throw new GatewayError('PROXY_LISTEN_FAILED', { message, cause })
    }
    this.#stopSweep = this.#host.clock.every(sweepMs, () => this.#sweep())
  }

  /** New connections get the new setup; those that can leave the old one at no cost are asked to. */
  replace(setup: ListenerSetup): void {
    this.#setup = setup
    this.#rate = new Rate(setup.limits.maxConnectionRate, this.#host.clock.now())
    for (const session of this.sessions.values()) session.retire()
  }

  /** Stops accepting. Sessions live on. */
  async close(): Promise<void> {
    const binding = this.#binding
    this.#binding = undefined
    await binding?.close()
    if (this.sessions.size === 0) this.#stopSweep?.()
  }

  onLink(link: Link): void {
    this.#accepted += 1
    const setup = this.#setup
    const session = new GatewaySession(this.#host.nextSession(), link, setup, this)
    this.sessions.set(session.id, session)
    setup.generation.enter()
    this.#announce(session)
    const refusal = this.#refusal()
    if (refusal !== undefined) return session.refuse(refusal)
    this.#handshakes.add(session)
    void session.run()
  }

  onError(error: Error): void {
    this.#host.hooks.emit('gateway:error', { source: `listener ${this.#setup.name}`, error })
  }

  settled(session: GatewaySession): void {
    this.#handshakes.delete(session)
  }

  ended(session: GatewaySession): void {
    this.sessions.delete(session.id)
    this.#handshakes.delete(session)
    if (session.ending?.outcome === 'refused') this.#refused += 1
    this.#announceEnd(session)
    session.generation.leave()
    if (this.#binding === undefined && this.sessions.size === 0) this.#stopSweep?.()
    this.#host.sessionEnded()
  }

  #refusal(): GatewayError | undefined {
    const { maxConnections } = this.#setup.limits
    if (this.sessions.size > maxConnections) return new GatewayError('PROXY_LIMIT_CONNECTIONS')
    if (!this.#rate.take(this.#host.clock.now())) return new GatewayError('PROXY_LIMIT_RATE')
    return undefined
  }

  #sweep(): void {
    const now = this.#host.clock.now()
    for (const session of this.#handshakes) session.expire(now)
  }

  #announce(session: GatewaySession): void {
    const { hooks } = this.#host
    if (!hooks.has('session:open')) return
    hooks.emit('session:open', { session: session.id, listener: session.listener, client: session.client.peer })
  }

  #announceEnd(session: GatewaySession): void {
    const { hooks, clock } = this.#host
    const { ending, client, listener, protocol, key } = session
    if (ending === undefined || !hooks.has('session:end')) return
    hooks.emit('session:end', {
      session: session.id,
      listener,
      protocol,
      client: client.peer,
      key,
      outcome: ending.outcome,
      reason: ending.reason,
      error: ending.error,
      tls: client.tls,
      bytesFromClient: client.link.bytesRead,
      bytesToClient: client.link.bytesWritten,
      durationMs: clock.now() - session.acceptedAt,
      timing: session.timing,
    })
  }
}
