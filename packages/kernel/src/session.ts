import { announceFault, announceRelay } from './announcements.ts'
import { type ChannelOwner, type ChannelTls, LinkChannel } from './channel.ts'
import { attempt } from './attempt.ts'
import { beginRelay } from './begin-relay.ts'
import type {
  Address,
  Backend,
  Disposer,
  Framer,
  Link,
  ListenerTls,
  Protocol,
  RelayFlight,
  RelayListener,
  RelayOptions,
  RelayResult,
  Session,
  SessionStats,
  TlsMode,
  Upstream,
} from './contracts.ts'
import { type Ending, endingOfError, endingOfServe } from './ending.ts'
import { GatewayError } from './errors.ts'
import { farewell, lingerMs } from './farewell.ts'
import type { Generation, ListenerSetup } from './generation.ts'
import { HandshakeClock } from './handshake-clock.ts'
import type { PipelineParts } from './pipeline.ts'
import type { SessionTiming } from './hooks.ts'
import { isPromise } from './promise.ts'
import { chooseProtocol, readProxyHeader } from './prologue.ts'
import { SessionRoutes } from './session-routes.ts'
import type { UpstreamChannel } from './upstream.ts'

/** One for all: whatever still waits for a session that has ended is only told to stop. */
const SESSION_OVER = new GatewayError('PROXY_CLIENT_GONE')

/** Ends the waiting for a client that owes nothing. */
const DRAINING = new GatewayError('PROXY_DRAINING')

const anyByte: Framer = () => 1

const NO_ATTRIBUTES: Readonly<Record<string, string>> = Object.freeze({})
const NO_OPTIONS: RelayOptions = Object.freeze({})

/** The listener, as its sessions see it. */
export interface SessionHost {
  /** The handshake deadline no longer applies: the session relays, or its protocol took the link over. */
  settled(session: GatewaySession): void
  ended(session: GatewaySession): void
}

/** One client connection. Everything that it opens is closed by the time of its `session:end`. */
export class GatewaySession implements Session, ChannelOwner, RelayListener {
  readonly id: string
  readonly client: LinkChannel
  /** By the gateway's clock. */
  readonly acceptedAt: number
  #handshake: HandshakeClock | undefined = undefined
  readonly #host: SessionHost
  readonly #setup: ListenerSetup
  readonly #routes: SessionRoutes
  #plugin: Protocol
  #local: Address | undefined = undefined
  #draining = false
  /** Waits for a client that owes nothing. */
  #idle = false
  #controller: AbortController | undefined = undefined
  #aborted: GatewayError | undefined = undefined
  #cancelEnforcement: Disposer | undefined = undefined
  #flight: RelayFlight | undefined = undefined
  /** The protocol relays by itself. */
  #ownRelay = false
  /** The session ends with its relay, whatever has become of `serve`. */
  #handedOver = false
  /** The protocol's own interest in the end of the relay to which it has handed the session over. */
  #listener: RelayListener | undefined = undefined
  #relayed: RelayResult | undefined = undefined
  #ending: Ending | undefined = undefined

  constructor(id: string, link: Link, setup: ListenerSetup, host: SessionHost) {
    this.id = id
    this.#host = host
    this.#setup = setup
    this.#plugin = setup.protocols[0] as Protocol
    this.acceptedAt = this.#parts.clock.now()
    this.#routes = new SessionRoutes(this, setup)
    this.client = new LinkChannel(
      link,
      this,
      setup.limits.maxHandshakeBytes,
      'PROXY_CLIENT_GONE',
      setup.tls && serverTls(setup.tls, setup.protocols),
    )
  }

  get listener(): string {
    return this.#setup.name
  }

  get protocol(): string {
    return this.#plugin.name
  }

  get local(): Address {
    return (this.#local ??= this.client.link.local)
  }

  get draining(): boolean {
    return this.#draining
  }

  get tlsMode(): TlsMode {
    return this.#setup.tls?.mode ?? 'off'
  }

  get tlsRequired(): boolean {
    return this.#setup.tls?.required ?? false
  }

  /** Of no more use once a relay has begun: it is not kept, and made again for whoever routes all the same. */
  get handshake(): HandshakeClock {
    return (this.#handshake ??= new HandshakeClock(
      this.#parts.clock,
      this.#setup.limits.handshakeTimeoutMs,
      this.acceptedAt,
    ))
  }

  get generation(): Generation {
    return this.#setup.generation
  }

  get key(): string | undefined {
    return this.#routes.key
  }

  /** Why nothing more may be begun: the session was given up, or has ended. */
  get over(): GatewayError | undefined {
    return this.#aborted ?? (this.#ending === undefined ? undefined : SESSION_OVER)
  }

  get ending(): Ending | undefined {
    return this.#ending
  }

  get stats(): SessionStats {
    const { id, listener, protocol, key, client } = this
    return {
      session: id,
      listener,
      protocol,
      client: client.peer,
      key,
      phase: this.#flight === undefined ? 'opening' : 'relaying',
      bytesFromClient: client.link.bytesRead,
      bytesToClient: client.link.bytesWritten,
      ageMs: this.#parts.clock.now() - this.acceptedAt,
    }
  }

  get timing(): SessionTiming {
    const firstByteAt = this.#flight?.firstByteAt
    if (firstByteAt !== undefined) this.#routes.heard(firstByteAt)
    return this.#routes.timing
  }

  get signal(): AbortSignal {
    if (this.#controller === undefined) {
      this.#controller = new AbortController()
      if (this.#aborted !== undefined) this.#controller.abort(this.#aborted)
    }
    return this.#controller.signal
  }

  /** Serves the connection to its end. Never rejects. */
  async run(): Promise<void> {
    try {
      if (this.#setup.hasPrologue) await this.#prologue()
      await this.#plugin.serve(this)
      if (!this.#handedOver) this.#conclude(endingOfServe(this.#routes.found, this.#relayed))
    } catch (cause) {
      this.#fail(this.#causeOf(cause))
    }
  }

  /** Ends a session that was never begun, with the protocol's own error. */
  refuse(error: GatewayError): void {
    this.#fail(error)
  }

  async idle(): Promise<boolean> {
    if (this.#draining) return false
    this.#idle = true
    this.handshake.stop()
    try {
      await this.client.peek(anyByte)
      return true
    } catch (error) {
      if (error === DRAINING) return false
      throw error
    } finally {
      this.#idle = false
      this.handshake.start()
      this.handshake.restart()
    }
  }

  resolve(key: string, attributes: Readonly<Record<string, string>> = NO_ATTRIBUTES): Backend | Promise<Backend> {
    return this.#routes.resolve(key, attributes)
  }

  dial(backend: Backend, key: string = this.#routes.key ?? ''): Promise<Upstream> {
    return this.#routes.dial(backend, key, this.#plugin)
  }

  route(key: string, attributes?: Readonly<Record<string, string>>): Promise<Upstream> {
    try {
      const backend = this.resolve(key, attributes)
      return isPromise(backend) ? backend.then((found) => this.dial(found, key)) : this.dial(backend, key)
    } catch (error) {
      return Promise.reject(GatewayError.from(error))
    }
  }

  async relay(upstream: Upstream, options: RelayOptions = NO_OPTIONS): Promise<RelayResult> {
    this.#relayed = await this.#beginRelay(upstream, options).done
    return this.#relayed
  }

  handOver(upstream: Upstream, options: RelayOptions = NO_OPTIONS, listener?: RelayListener): void {
    const flight = this.#beginRelay(upstream, options)
    this.#handedOver = true
    this.#listener = listener
    if (!this.#ownRelay) this.#controller = undefined
    if (flight.report !== undefined) return flight.report(this)
    flight.done.then(
      (result) => this.relayed(result),
      (cause: unknown) => this.#conclude(endingOfError(this.#causeOf(cause))),
    )
  }

  /** The relay to which the session was handed over has ended. */
  relayed(result: RelayResult): void {
    this.#relayed = result
    this.#conclude(endingOfServe(this.#routes.found, result))
  }

  /** It waited so long for a backend to start. */
  waited(wakeMs: number): void {
    this.#routes.waited(wakeMs)
  }

  /** Finish soon: no new work, no answer lost. */
  drain(): void {
    if (this.#draining) return
    this.#draining = true
    if (this.#flight !== undefined) return this.#flight.drain()
    if (this.#idle) this.client.interrupt(DRAINING)
    this.#drainPlugin()
  }

  /** The deadline of the drain is near: a relay ends at its next quiet moment, however short. */
  hurry(): void {
    this.#flight?.drain()
  }

  /** The listener's configuration was replaced: leave when that costs nothing. A relay just goes on. */
  retire(): void {
    if (this.#flight === undefined) this.#drainPlugin()
  }

  /** Ends now. What has not ended by itself a moment later is closed. */
  kill(error: GatewayError): void {
    if (this.#ending !== undefined) return
    this.#abort(error)
    this.#flight?.abort(endingOfError(error).reason)
    this.#failChannels(error, error)
  }

  /** The handshake clock of the listener. */
  expire(now: number): void {
    if (!this.handshake.isOver(now) || this.#aborted !== undefined || this.#ending !== undefined) return
    const error = new GatewayError('PROXY_PEEK_TIMEOUT')
    this.#failChannels(error, new GatewayError('PROXY_BACKEND_TIMEOUT'))
    this.#abort(error)
  }

  channelEnded(channel: LinkChannel): void {
    if (channel === this.client && this.#plugin.halfClose !== true) this.#abort(new GatewayError('PROXY_CLIENT_GONE'))
  }

  channelClosed(channel: LinkChannel): void {
    if (channel === this.client) this.#abort(new GatewayError('PROXY_CLIENT_GONE'))
    else this.#routes.forget(channel as UpstreamChannel)
  }

  channelHeard(): void {
    this.#routes.heard()
  }

  /** A client's link that its protocol drives itself has deadlines of the protocol's own. */
  channelDetached(channel: LinkChannel): void {
    if (channel === this.client) this.#host.settled(this)
    else this.#routes.release(channel as UpstreamChannel)
  }

  get #parts(): PipelineParts {
    return this.#setup.generation.pipeline.parts
  }

  async #prologue(): Promise<void> {
    const { trusted, tls, protocols } = this.#setup
    if (trusted?.(this.client.peer.host) === true) this.#local = (await readProxyHeader(this.client)) ?? this.#local
    if (tls?.mode === 'implicit') await this.client.secure()
    if (protocols.length > 1) this.#plugin = await chooseProtocol(this.client, protocols)
  }

  /** Apart from `relay`, whose frame lives as long as the session and would keep what is needed only here. */
  #beginRelay(upstream: Upstream, options: RelayOptions): RelayFlight {
    if (this.#flight !== undefined || this.#ending !== undefined) throw new GatewayError('PROXY_INTERNAL')
    this.#ownRelay = options.relay !== undefined
    const flight = beginRelay(this.#setup, this.client, upstream, options)
    this.#flight = flight
    this.#handshake = undefined
    announceRelay(this.#parts, this, upstream, this.acceptedAt)
    if (this.#draining) flight.drain()
    if (this.#aborted !== undefined) flight.abort(endingOfError(this.#aborted).reason)
    return flight
  }

  #abort(error: GatewayError): void {
    if (this.#aborted !== undefined || this.#ending !== undefined) return
    this.#aborted = error
    this.#cancelEnforcement = this.#parts.clock.after(lingerMs, () => this.#enforce(error))
    this.#controller?.abort(error)
  }

  #failChannels(client: GatewayError, backend: GatewayError): void {
    this.client.fail(client)
    this.#routes.fail(backend)
  }

  /**
   * A client that left explains whatever failed after it; so does the drain, and the deadline unless it was a backend
   * that let it pass.
   */
  #causeOf(cause: unknown): GatewayError {
    const late = GatewayError.is(cause) && cause.code === 'PROXY_BACKEND_TIMEOUT'
    if (late && this.#aborted?.code === 'PROXY_PEEK_TIMEOUT') return cause
    if (this.#aborted !== undefined) return this.#aborted
    if (GatewayError.is(cause)) return cause
    this.#parts.hooks.emit('gateway:error', { source: this.protocol, error: cause })
    return GatewayError.from(cause)
  }

  #fail(error: GatewayError): void {
    if (this.#ending !== undefined) return
    if (this.#handedOver) return this.#flight?.abort(endingOfError(error).reason)
    if (this.#flight === undefined) announceFault(this.#parts, this, this.key ?? '', this.#routes.dialled, error)
    const listens = this.#flight === undefined && error.code !== 'PROXY_CLIENT_GONE' && !this.client.link.closed
    if (listens) this.#sayWhy(error)
    this.#conclude(endingOfError(error))
  }

  #drainPlugin(): void {
    attempt(this.#parts.hooks, this.protocol, () => this.#plugin.drain?.(this))
  }

  #sayWhy(error: GatewayError): void {
    try {
      const bytes = this.#plugin.refuse?.(error, this)
      if (bytes !== undefined) this.client.link.write(bytes)
    } catch (cause) {
      this.#parts.hooks.emit('gateway:error', { source: this.protocol, error: cause })
    }
  }

  #conclude(ending: Ending): void {
    if (this.#ending !== undefined) return
    this.#ending = ending
    this.#cancelEnforcement?.()
    if (this.#listener !== undefined) this.#tellProtocol(this.#listener, ending)
    // A protocol that drives the link itself sees its client leave before the session does: whoever still works for it stops.
    // A relay of the gateway's was the last thing its session waited for.
    if (this.#flight === undefined || this.#ownRelay)
      this.#controller?.abort(this.#aborted ?? ending.error ?? SESSION_OVER)
    this.#routes.destroy()
    this.#host.settled(this)
    farewell(this.client.link, this.#parts.clock, () => this.#finished())
  }

  #tellProtocol(listener: RelayListener, { reason, error }: Ending): void {
    attempt(this.#parts.hooks, this.protocol, () => listener.relayed(this.#relayed ?? { reason, error }))
  }

  #finished(): void {
    this.#routes.leave()
    this.#host.ended(this)
  }

  /** For what outstays its welcome: a protocol that does not settle, a client that does not read. */
  #enforce(error: GatewayError): void {
    const ending = endingOfError(error)
    this.client.link.destroy()
    this.#conclude(this.#flight === undefined ? ending : { ...ending, outcome: 'relayed' })
  }
}

/** Protocols that share a listener share its handshake, which comes before the choice between them. */
function serverTls(tls: ListenerTls, protocols: readonly Protocol[]): ChannelTls {
  return {
    clientHello: tls.clientHello,
    get alpn() {
      return protocols.flatMap((protocol) => protocol.alpn ?? [])
    },
    secure: (link, request) => tls.secure(link, request),
  }
}
