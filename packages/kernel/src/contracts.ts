/**
 * Every public interface of the kernel. A protocol, resolver, layer, relay, transport or TLS provider is written
 * against this file alone; the classes that implement it are private to the kernel.
 */
import type { Duplex } from 'node:stream'
import type { GatewayError } from './errors.ts'
import type { Hooks } from './hooks.ts'

/** Ends what the call that returned it began. Calling it twice is harmless. */
export type Disposer = () => void

/** A socket address: `host` is an IPv4 or IPv6 literal without brackets. */
export interface Address {
  readonly host: string
  readonly port: number
}

// ---------------------------------------------------------------------------------------------------------------
// Backends
// ---------------------------------------------------------------------------------------------------------------

/** Where a backend listens: an IP literal or a DNS name. Without `port`, the protocol's default port is dialled. */
export interface Endpoint {
  readonly host: string
  readonly port?: number | undefined
  /** Share of the connections among the endpoints of a backend, for a `balance` layer. Default 1; 0 = none while another can be dialled. */
  readonly weight?: number | undefined
  /** Gets no new connection while the backend has an endpoint that does not drain. Default false. */
  readonly draining?: boolean | undefined
}

/** What a resolver says beside the address. Values are never interpreted by the kernel. */
export type Metadata = Readonly<Record<string, unknown>>

/** TLS from the gateway towards the backend. */
export interface BackendTls {
  /**
   * `off`: plain bytes. `implicit`: TLS from the first byte. `negotiated`: the protocol asks in-band
   * (PostgreSQL SSLRequest, MySQL's capability flag, SMTP STARTTLS) and then calls `upstream.secure()`.
   */
  readonly mode: 'off' | 'implicit' | 'negotiated'
  /** PEM of the authorities that may sign the backend's certificate. Default: the system's. */
  readonly ca?: string | Buffer | undefined
  /** Name that is sent as SNI and verified. Default: the endpoint's host name. */
  readonly serverName?: string | undefined
  /** PEM client certificate, for backends that ask for one. */
  readonly cert?: string | Buffer | undefined
  /** PEM key of that certificate. */
  readonly key?: string | Buffer | undefined
  /** Accept any certificate. Default false; for tests and for networks that are trusted by other means. */
  readonly insecure?: boolean | undefined
}

/** The answer of a resolver, normalised. Made by `backend()`; frozen. */
export interface Backend {
  /** Identity for pools, wake flights, circuits and invalidation. Default: its endpoints and TLS mode as text. */
  readonly id: string
  /** At least one. */
  readonly endpoints: readonly Endpoint[]
  readonly metadata: Metadata
  readonly state: 'ready' | 'asleep'
  /** Overrides the gateway's connect timeout, in milliseconds. */
  readonly connectTimeoutMs: number | undefined
  readonly tls: BackendTls | undefined
  /** PROXY protocol header sent to the backend ahead of everything else; 0 = none. */
  readonly proxyProtocol: 0 | 1 | 2
}

/**
 * What a resolver may answer: a bare `'host:port'` (or `'host'`, `'[v6]:port'`), a record, or a ready-made
 * {@link Backend}, which is passed through as it is.
 */
export type Resolution = string | ResolutionRecord | Backend

export interface ResolutionRecord {
  /** `host:port`, `host`, `[v6]:port`, or several: `retry` tries them in order. */
  readonly endpoint: string | Endpoint | readonly (string | Endpoint)[]
  /** Identity for pools, wake flights and invalidation. Default: the endpoints and TLS mode as text. */
  readonly id?: string | undefined
  /** Handed to `track`, `onConnect` and `onDisconnect`. */
  readonly metadata?: Metadata | undefined
  /** Connect timeout for this resolution, in milliseconds. */
  readonly timeoutMs?: number | undefined
  /** `asleep`: the backend must be woken before it is dialled. Default `ready`. */
  readonly state?: 'ready' | 'asleep' | undefined
  /** TLS towards the backend. Default `off`. */
  readonly tls?: BackendTls | BackendTls['mode'] | undefined
  /** PROXY protocol header to send first. Default 0: none. */
  readonly proxyProtocol?: 0 | 1 | 2 | undefined
}

// ---------------------------------------------------------------------------------------------------------------
// Resolver
// ---------------------------------------------------------------------------------------------------------------

/** One question to the resolver: whose connection is this, and where does it go? */
export interface RouteRequest {
  /** The resource id that the protocol read from the client's bytes: a host name, a database, a domain. */
  readonly key: string
  readonly protocol: string
  readonly listener: string
  /** Id of the session that asks. */
  readonly session: string
  /** A resolver that looks at it must say so to a `cache` layer by its `slot`, or stand without one. */
  readonly client: Address
  readonly tls: TlsInfo | undefined
  /** Bytes of the client that are held while it waits for the answer. */
  readonly unread: number
  /** What else the protocol read (user, SNI, application name ...). Never secrets. */
  readonly attributes: Readonly<Record<string, string>>
}

/**
 * Maps a resource id to its backend: the only contract most users write. Only `resolve` is required; the absence of
 * an optional method *is* the capability. Methods may answer synchronously, and a synchronous answer is never awaited.
 *
 * `resolve` and `wake` fail by throwing a `ResolveError` (not found 404, unavailable 503, timeout 504, forbidden 403,
 * internal 500); anything else that they throw counts as internal.
 */
export interface Resolver {
  readonly name: string
  resolve(request: RouteRequest, signal: AbortSignal): Resolution | Promise<Resolution>
  /**
   * Starts a backend that is asleep; settles when it may be dialled. Called once for any number of waiters. A bare
   * `'host:port'` says where the backend is now and leaves the rest of it as `resolve` said.
   *
   * Also called for a backend that somebody was refused by, or that refuses although it was woken some seconds ago: it is to be
   * started if it does not run, and handed back if it does. NOT_FOUND says that it is nothing to start.
   */
  wake?(backend: Backend, signal: AbortSignal): Promise<Resolution>
  /**
   * Nobody has used the backend for as long as an `idle` layer was told to wait, in this process: it may be stopped. A resolver
   * that serves several processes asks the others first. Called again after the next time that it was used.
   */
  sleep?(backend: Backend): void | Promise<void>
  /**
   * Where the resolver lives when a gateway runs several worker processes. `primary`: one instance for all of them, which owns
   * what it starts and sees every connection of the machine. `worker`: one in each. Default: `primary` with `wake`, else `worker`.
   */
  readonly placement?: 'primary' | 'worker' | undefined
  /** Reports ids of backends whose routes changed, so that caches forget them. */
  watch?(changed: (backendId: string) => void): Disposer
  /** Activity on a resource, for idle shut-down. */
  track?(resourceId: string, metadata: Metadata): void
  /** Forget what is cached of this resource. */
  purge?(resourceId: string): void | Promise<void>
  stats?(): Record<string, unknown>
  /** A session was routed to the resource (once per session and resource). */
  onConnect?(resourceId: string, metadata: Metadata): void
  /** That session ended. */
  onDisconnect?(resourceId: string, metadata: Metadata): void
  close?(): Promise<void>
}

/** A function is a resolver. */
export type ResolveFunction = Resolver['resolve']

// ---------------------------------------------------------------------------------------------------------------
// Layers
// ---------------------------------------------------------------------------------------------------------------

export type Resolve = (request: RouteRequest, signal: AbortSignal) => Backend | Promise<Backend>

export interface DialRequest {
  readonly backend: Backend
  /** The endpoint to try. The base dial knows only this one; `retry` moves on to the others. */
  readonly endpoint: Endpoint
  /** The endpoints in the order in which they are to be tried, `endpoint` first. Default: the backend's, beginning with `endpoint`. */
  readonly order?: readonly Endpoint[] | undefined
  /** IP literal to connect to in place of `endpoint.host`: set by the guard to the address that it has checked. */
  readonly address?: string | undefined
  /** Used where the endpoint names no port. */
  readonly defaultPort: number | undefined
  readonly connectTimeoutMs: number
  readonly protocol: string
  readonly listener: string
  /**
   * Id of the session this is for; undefined for what the gateway dials on its own account (cancel, probes): policies neither
   * count such a dial nor refuse it, and it goes to `endpoint` and no other.
   */
  readonly session: string | undefined
  readonly key: string
  /** Both ends of the client's connection, given when the backend wants a PROXY protocol header. */
  readonly client: Address | undefined
  readonly local: Address | undefined
}

/** Connects to the endpoint, PROXY header and implicit TLS included. Rejects with a `GatewayError` of origin backend. */
export type Dial = (request: DialRequest, signal: AbortSignal) => Promise<Dialled>

/** A connection to a backend before any protocol byte. */
export interface Dialled {
  readonly link: Link
  readonly endpoint: Endpoint
  readonly tls: TlsInfo | undefined
}

/** What is probed: one endpoint of a backend, with the protocol that a listener would speak to it. */
export interface ProbeTarget {
  readonly backend: Backend
  /** Default: the backend's first. */
  readonly endpoint?: Endpoint | undefined
  readonly key: string
  readonly listener: string
  readonly protocol: string
}

export interface LayerContext {
  readonly hooks: Hooks
  readonly clock: Clock
  readonly resolver: Resolver
  /**
   * Dials through the layers inside of this one and asks the protocol's `ready`; where it has none, an accepted connection is
   * enough. Settles when the endpoint serves, and rejects with a `GatewayError` when it does not.
   */
  probe(target: ProbeTarget, signal: AbortSignal): Promise<void>
  /** Part of what the session waits for, now or a moment ago, was a backend that starts: counts as `wakeMs` of its timing. */
  waited(session: string, wakeMs: number): void
  /** Addresses that the gateway itself listens on at this moment. */
  listening(): readonly Address[]
}

/**
 * A policy. It wraps `resolve`, wraps `dial`, or only observes. The first layer of the list is the outermost.
 * A layer that answers synchronously must hand a synchronous answer of `next` on as it is.
 */
export interface Layer {
  readonly name: string
  resolve?(next: Resolve): Resolve
  dial?(next: Dial): Dial
  /** Runs once when the gateway opens, before `resolve` and `dial` are first called; undone when it closes. */
  setup?(context: LayerContext): void | Disposer
  /** What the layer knows at this moment, for `GatewayStats.layers`; survives JSON. */
  stats?(): Record<string, unknown>
}

// ---------------------------------------------------------------------------------------------------------------
// Channel and session
// ---------------------------------------------------------------------------------------------------------------

/**
 * Measures the unit at the start of `bytes`: its length when that is known (it may exceed what is there), 0 when more
 * bytes are needed to tell. Throws a `GatewayError` when the bytes cannot be a unit. Called again from the
 * start whenever bytes were added, so it must not keep state.
 */
export type Framer = (bytes: Buffer) => number

export interface TlsInfo {
  /** `TLSv1.2`, `TLSv1.3`. */
  readonly version: string
  readonly cipher: string
  /** SNI in lower case without a trailing dot. */
  readonly serverName: string | undefined
  /** The ALPN protocol that was agreed on. */
  readonly alpn: string | undefined
  /** The peer's certificate, verified against the configured authorities; undefined when it showed none. */
  readonly certificate: PeerCertificate | undefined
}

export interface PeerCertificate {
  readonly subject: string
  readonly issuer: string
  readonly fingerprint256: string
  readonly subjectAltName: string | undefined
}

/** What a ClientHello says before any key is agreed on (RFC 8446 section 4.1.2). */
export interface ClientHello {
  /** SNI in lower case without a trailing dot; undefined when the client sent none. */
  readonly serverName: string | undefined
  readonly alpn: readonly string[]
}

/**
 * One end of a session: pull-based and bounded; loses no byte between peek, read, `secure()`, detach and relay.
 *
 * `peek` and `read` reject with `PROXY_PEEK_TIMEOUT` when the listener's handshake deadline passes,
 * `PROXY_PEEK_OVERFLOW` when a unit is larger than the listener's `maxHandshakeBytes`, `PROXY_CLIENT_GONE` or
 * `PROXY_BACKEND_CLOSED` when the end closes first, and with whatever the framer throws. At most one may be pending.
 */
export interface Channel {
  /** The peer's address: for a client behind a trusted PROXY protocol sender, the address in that header. */
  readonly peer: Address
  readonly tls: TlsInfo | undefined
  /** True while `secure()` may still be called: TLS is configured here and has not begun. */
  readonly canSecure: boolean
  /** Bytes that have arrived and were not read yet. */
  readonly unread: number
  /** The next unit, left in place. The buffer stays valid. */
  peek(framer: Framer): Promise<Buffer>
  /** The next unit, consumed. */
  read(framer: Framer): Promise<Buffer>
  /** Settles when the bytes were handed on and the end is ready for more. The caller may reuse `bytes` at once. */
  write(bytes: Uint8Array | string): Promise<void>
  /** Peeks the TLS ClientHello, reassembled over records, up to 16 KiB. Needs TLS configured on this channel. */
  peekClientHello(): Promise<ClientHello>
  /**
   * In-band TLS. With `goAhead`, no byte may have arrived yet (else `PROXY_TLS_INJECTION`, CVE-2021-23214 and
   * CVE-2011-0411): the go-ahead is written and the handshake follows. Without it, unread bytes are the
   * beginning of the handshake. Rejects with `PROXY_TLS_HANDSHAKE` or `PROXY_TLS_UNAVAILABLE`.
   *
   * After `detach()` the handshake takes place on the link that was given, with what the owner has left unread there; the
   * link is used up, and `detach()` again gives the one that carries the decrypted bytes.
   */
  secure(goAhead?: Uint8Array | string): Promise<TlsInfo>
  /** Half-close: no more bytes will be written. */
  end(): void
  /** Closes at once, discarding what was not sent. */
  destroy(): void
  /**
   * Leaves the pull contract: the link, paused, and the bytes not read yet. The caller owns both from here. Called again it
   * gives the link without bytes, so that a channel that was detached can still be relayed.
   */
  detach(): Detached
}

export interface Detached {
  readonly link: Link
  readonly unread: Buffer
}

/** A live channel to a backend. `secure()` starts the TLS that its resolution asked for. */
export interface Upstream extends Channel {
  readonly key: string
  readonly backend: Backend
  readonly endpoint: Endpoint
}

/** How a session ended. */
export type SessionOutcome = 'relayed' | 'answered' | 'refused' | 'failed'

/**
 * Why a session ended. `client` and `backend`: that end closed first, in order. `client_reset` and `backend_reset`:
 * it broke off. `done`: the protocol finished by itself.
 */
export type CloseReason =
  | 'done'
  | 'client'
  | 'backend'
  | 'client_reset'
  | 'backend_reset'
  | 'idle_timeout'
  | 'handshake_timeout'
  | 'refused'
  | 'drain'
  | 'killed'
  | 'error'

/** One client connection from accept to its single `session:end`. */
export interface Session {
  readonly id: string
  readonly listener: string
  readonly protocol: string
  readonly client: Channel
  /** Address of the listener that the client connected to. */
  readonly local: Address
  /** Aborted when the client is gone, the drain deadline has passed or the session is killed. */
  readonly signal: AbortSignal
  /** The listener no longer takes connections: finish what is under way, begin nothing new. */
  readonly draining: boolean
  /** `local` TLS mode of the listener. */
  readonly tlsMode: TlsMode
  /** True when the listener refuses clients that do not use TLS. */
  readonly tlsRequired: boolean
  /**
   * Waits for the client's next byte without a deadline: for protocols whose clients may be silent between two exchanges
   * before they are routed, if they ever are. With that byte, the time for the handshake begins anew. False: the gateway drains,
   * and there is nothing to wait for. Rejects with `PROXY_CLIENT_GONE`.
   */
  idle(): Promise<boolean>
  /** Asks the resolver, through the layers. Synchronous when they are. Throws or rejects with a `GatewayError`. */
  resolve(key: string, attributes?: Readonly<Record<string, string>>): Backend | Promise<Backend>
  /** Dials a resolved backend, through the layers. The key is that of the latest `resolve` unless given. */
  dial(backend: Backend, key?: string): Promise<Upstream>
  /** `resolve`, then `dial`. */
  route(key: string, attributes?: Readonly<Record<string, string>>): Promise<Upstream>
  /** Moves bytes both ways until both ends are done. Unread bytes of both channels go first. */
  relay(upstream: Upstream, options?: RelayOptions): Promise<RelayResult>
  /**
   * The same as the last thing that a protocol does: the session ends with the relay, and `serve` need not wait for it. What it
   * held is let go, so that a session that relays takes little memory. `signal` that was looked at before tells nothing from
   * then on, unless the relay is one of the protocol's own. `listener` is told once, before `session:end`, for what has to be put away
   * behind the session.
   */
  handOver(upstream: Upstream, options?: RelayOptions, listener?: RelayListener): void
}

// ---------------------------------------------------------------------------------------------------------------
// Protocol
// ---------------------------------------------------------------------------------------------------------------

export interface ProtocolContext {
  readonly hooks: Hooks
  readonly clock: Clock
  readonly peers: Peers
  /**
   * State that every instance of a protocol in this gateway shares under a name, made on first use. It outlives a
   * reload, so that new instances still know the sessions of the old ones.
   */
  shared<T>(name: string, make: () => T): T
  /** Dials outside any session (a cancel request, a probe), through the same layers. The caller owns the upstream. */
  dial(backend: Backend, key: string, signal: AbortSignal): Promise<Upstream>
}

export interface Protocol {
  readonly api: 1
  readonly name: string
  readonly speaksFirst: 'client' | 'server'
  /** Dialled where an endpoint names no port. Default: the registry's port for `name`. */
  readonly defaultPort?: number | undefined
  /** ALPN names offered when the listener ends TLS, best first. */
  readonly alpn?: readonly string[] | undefined
  /**
   * Clients of this protocol may end their sending side and still wait for an answer. Default false: a FIN before
   * the relay begins means that the client has left, which aborts `session.signal`.
   */
  readonly halfClose?: boolean | undefined
  /** For sharing a port: is this ours? undefined = more bytes are needed. Must not throw. */
  detect?(prefix: Buffer): boolean | undefined
  /** Runs once when the gateway opens; undone when it closes. */
  setup?(context: ProtocolContext): void | Disposer | Promise<void | Disposer>
  /** Serves one client connection. What it throws is given to `refuse` and ends the session. */
  serve(session: Session): Promise<void>
  /** The protocol's own error bytes; undefined = just close. Not called once the relay has begun. */
  refuse?(error: GatewayError, session: Session): Uint8Array | string | undefined
  /**
   * Does this backend, which has just been dialled, serve? Settles when it does; rejects with a `GatewayError` when it does not,
   * a retryable one when it may later. Says as little as it can, and needs no account there. The caller closes the upstream.
   * `tlsMode` is the listener's: with `passthrough`, the backend may understand nothing but TLS.
   */
  ready?(upstream: Upstream, signal: AbortSignal, tlsMode: TlsMode): Promise<void>
  /** The gateway drains: end the session as soon as no answer is lost by it. Without it, the deadline ends it. */
  drain?(session: Session): void
}

/**
 * Follows requests that carry a trace context (W3C Trace Context). Made by an observer, handed to a protocol whose sessions
 * serve many requests.
 */
export interface RequestTracer {
  /**
   * The head of a request was read; `traceparent` and `tracestate` are as the client sent them. undefined: the request is not
   * followed, and its head goes on as it came. Must not throw.
   */
  start(session: Session, traceparent: string | undefined, tracestate: string | undefined): RequestTrace | undefined
}

/** A request that is followed; `request:end` hands it back. */
export interface RequestTrace {
  /** What the backend is sent in place of the client's. */
  readonly traceparent: string
  readonly tracestate: string | undefined
}

/** Messages between the gateway processes that share one set of listeners. Small and rare: cancel keys, counters. */
export interface Peers {
  /** This process: 0 when it is alone. */
  readonly self: number
  /**
   * This machine among those of a cluster, 0 to 254; 255 while it has no number. It may change: read it when it is needed. Default:
   * it is alone.
   */
  readonly node?: number | undefined
  /** Asks one peer, of this machine unless `node` names another. Rejects when it is unknown or does not answer within five seconds. */
  request(peer: number, topic: string, message: unknown, node?: number): Promise<unknown>
  /** Asks every process of the other machines. What does not answer in time is left out. Default: there are none. */
  others?(topic: string, message: unknown): Promise<readonly unknown[]>
  /** Answers requests for a topic. Messages survive JSON. */
  answer(topic: string, handler: (message: unknown, from: number) => unknown): Disposer
}

// ---------------------------------------------------------------------------------------------------------------
// Relay
// ---------------------------------------------------------------------------------------------------------------

export interface RelayOptions {
  /** Ends the relay when no byte moved for this long, in milliseconds; 0 = never. Default: the listener's. */
  readonly idleTimeoutMs?: number | undefined
  /**
   * May the session end here without losing an answer? Asked while draining, with the last (at most 16) bytes that
   * the backend sent, when the client has been silent since. When true, `goodbye` is sent and both ends are closed.
   */
  readonly quiet?: ((tail: Buffer) => boolean) | undefined
  /** Bytes for the client when a drain ends the relay. */
  readonly goodbye?: Uint8Array | undefined
  /**
   * Moves the bytes of this session in place of the gateway's relays: for a protocol that has to look at what it relays
   * from the first byte to the last. `session.signal` is then aborted when the session ends, as such a relay may
   * still resolve and dial. Default: the gateway's relays, in order.
   */
  readonly relay?: Relay | undefined
}

export interface RelayRequest {
  /** Both links are paused; the relay owns them from here and leaves both closed. */
  readonly client: Link
  readonly backend: Link
  /** Bytes read from either end that the other has not had yet; sent first. */
  readonly clientUnread: Buffer
  readonly backendUnread: Buffer
  readonly options: RelayOptions
  readonly clock: Clock
}

export interface RelayResult {
  readonly reason: CloseReason
  readonly error?: Error | undefined
}

/** Moves the bytes after routing. Relays are tried in order; the stream relay is always last and takes everything. */
export interface Relay {
  readonly name: string
  /** undefined: not for these links, try the next relay. */
  start(request: RelayRequest): RelayFlight | undefined
}

/** Who waits for the end of a relay without a promise. */
export interface RelayListener {
  relayed(result: RelayResult): void
}

export interface RelayFlight {
  readonly done: Promise<RelayResult>
  /** Tells `listener` once, later than now and in place of `done`. Absent: `done` is waited for. */
  report?(listener: RelayListener): void
  /** When, by the request's clock, the backend's first byte passed; undefined: none has, or the relay does not look. */
  readonly firstByteAt?: number | undefined
  /**
   * The gateway drains: end as soon as `quiet` allows it and both ends have been silent for a while. Called again shortly
   * before the deadline: `quiet` alone decides, asked whenever the backend has sent something.
   */
  drain(): void
  /** Ends now: `goodbye` is sent when the reason is `drain`; both links are closed. */
  abort(reason: CloseReason): void
}

// ---------------------------------------------------------------------------------------------------------------
// Transport: engine-facing, below the eight nouns
// ---------------------------------------------------------------------------------------------------------------

/**
 * Receives what happens on links. One handler object may serve several links; all methods are called with the link.
 * Nothing is called before `attach`, nothing after `onClose`.
 */
export interface LinkHandler {
  /** `bytes` is valid only during the call: copy what must outlive it. */
  onData(link: Link, bytes: Buffer): void
  /** After a `write` that returned false: ready for more. */
  onDrain(link: Link): void
  /** The peer sent its FIN: no data follows. The other direction stays open. */
  onEnd(link: Link): void
  /** Closed in both directions; exactly once, always last, also after `destroy`. `error` when it broke off. */
  onClose(link: Link, error: Error | undefined): void
}

/** The smallest push contract over a connected byte stream. Born paused and without a handler. */
export interface Link {
  readonly remote: Address
  readonly local: Address
  readonly bytesRead: number
  readonly bytesWritten: number
  /** The peer's FIN was delivered (`onEnd`), or would have been had a handler been attached. */
  readonly ended: boolean
  readonly closed: boolean
  /** False between a `write` that returned false and its `onDrain`. */
  readonly writable: boolean
  /** Sets or replaces the handler. Calls nothing: look at `ended` and `closed` first. */
  attach(handler: LinkHandler): void
  /**
   * Queues bytes for sending; a string is latin1. The bytes are borrowed for the call: whatever cannot be sent at
   * once is copied. False: stop writing until `onDrain`. On a closed or ended-by-us link the bytes are dropped.
   */
  write(bytes: Uint8Array | string): boolean
  /** No `onData` and no `onEnd` until `resume`, which may not call them synchronously either. */
  pause(): void
  resume(): void
  /** Half-close after everything queued was sent. */
  end(): void
  /** Closes at once; what was not sent is discarded. With `reset` the peer sees RST. */
  destroy(reset?: boolean): void
  /**
   * Calls `listener` once the link is closed, behind the handler's `onClose`; at once when it is already. For who counts links
   * that others own. A later listener replaces an earlier one. Absent: nobody can tell.
   */
  onceClosed?(listener: () => void): void
  /**
   * Gives the stream to a consumer that needs a Node Duplex (TLS, HTTP/2); `unread` is put in front of it. From then on
   * the link delivers nothing but `onClose`; its counters stay right, and `attach`, `write`, `end` and `destroy` work.
   */
  socket(unread?: Uint8Array): Duplex
}

export interface Acceptor {
  onLink(link: Link): void
  /** Accepting failed (EMFILE and the like); the transport has already backed off and goes on. */
  onError(error: Error): void
}

export interface ListenOptions {
  /** IP literal or `localhost`. */
  readonly host: string
  /** 0 = pick a free one. */
  readonly port: number
  readonly backlog?: number | undefined
  /**
   * Share the port with other sockets of this user (SO_REUSEPORT). Ignored where the platform has none. With `fd` from the moment at
   * which it listens: so that one which was bound without is refused where somebody listens already.
   */
  readonly reusePort?: boolean | undefined
  /**
   * Descriptor of a bound socket to listen on, instead of one that is bound to `host` and `port`. It stays the caller's, who closes
   * it once the binding has closed; the socket may be one that other processes listen on too. For transports that work on descriptors:
   * Node's sockets do not, and reject.
   */
  readonly fd?: number | undefined
}

/** A bound address. */
export interface Binding {
  readonly address: Address
  /** Stops accepting and frees the address; connections accepted so far live on. */
  close(): Promise<void>
}

export interface ConnectOptions {
  /** IP literal or host name. */
  readonly host: string
  readonly port: number
  readonly timeoutMs: number
}

export interface Transport {
  readonly name: string
  /** Rejects with the system's error (`EADDRINUSE`, `EACCES`). */
  listen(options: ListenOptions, acceptor: Acceptor): Promise<Binding>
  /** Rejects with `PROXY_DIAL_REFUSED`, `PROXY_DIAL_TIMEOUT`, `PROXY_DIAL_UNREACHABLE`, `PROXY_DIAL_DNS`. */
  connect(options: ConnectOptions, signal: AbortSignal): Promise<Link>
  close?(): Promise<void>
}

// ---------------------------------------------------------------------------------------------------------------
// TLS
// ---------------------------------------------------------------------------------------------------------------

/**
 * `off`: no TLS. `implicit`: from the first byte. `negotiated`: the protocol calls `client.secure()`.
 * `passthrough`: TLS is not ended here, the protocol only peeks the ClientHello.
 */
export type TlsMode = 'off' | 'implicit' | 'negotiated' | 'passthrough'

export interface SecureRequest {
  /** Bytes of the handshake that were read already. */
  readonly unread: Buffer
  readonly alpn: readonly string[]
  readonly signal: AbortSignal
}

export interface Secured {
  /** Carries the decrypted bytes. Replaces the link it was made from. */
  readonly link: Link
  readonly tls: TlsInfo
}

export interface ClientHelloReader {
  /** Length of the TLS records that hold the whole ClientHello. Throws `PROXY_TLS_HANDSHAKE` on anything else. */
  readonly framer: Framer
  parse(bytes: Buffer): ClientHello
}

/** TLS of one listener. Made by `tls()` of `@proxy/tls`. */
export interface ListenerTls {
  readonly mode: Exclude<TlsMode, 'off'>
  /** `negotiated` only: refuse clients that go on without TLS. Default false. */
  readonly required: boolean
  readonly clientHello: ClientHelloReader
  /** Server end of a handshake. Rejects with `PROXY_TLS_HANDSHAKE`. */
  secure(link: Link, request: SecureRequest): Promise<Secured>
  /** Runs when the listener opens (file watches begin); undone when it closes. */
  setup?(context: { hooks: Hooks }): void | Disposer
}

/** The client end, towards backends. Made by `backendTls()` of `@proxy/tls`. */
export interface BackendTlsProvider {
  secure(link: Link, tls: BackendTls, host: string, request: SecureRequest): Promise<Secured>
}

// ---------------------------------------------------------------------------------------------------------------
// Clock
// ---------------------------------------------------------------------------------------------------------------

/** Time as the kernel sees it; a fake one makes deadlines testable. Timers never keep the process alive. */
export interface Clock {
  /** Monotonic milliseconds. */
  now(): number
  after(delayMs: number, callback: () => void): Disposer
  every(periodMs: number, callback: () => void): Disposer
}

// ---------------------------------------------------------------------------------------------------------------
// Gateway and listeners
// ---------------------------------------------------------------------------------------------------------------

export interface ListenerLimits {
  /** Open client connections. Default 100,000. One more is refused with the protocol's own error. */
  readonly maxConnections?: number | undefined
  /** New connections a second, averaged over a second with a burst of as many. Default: no limit. */
  readonly maxConnectionRate?: number | undefined
  /** From accept to the relay, time spent on resolving, waking and dialling not counted. Default 10,000 ms. */
  readonly handshakeTimeoutMs?: number | undefined
  /** Bytes a channel may hold before routing. Default 65,536. */
  readonly maxHandshakeBytes?: number | undefined
}

export interface ListenerOptions {
  /** `host:port`, `[v6]:port`, `:port` (every IPv4 address) or a port number. Port 0 picks a free one. */
  readonly address: string | number | Address
  /** One protocol, or several that tell themselves apart by `detect`. */
  readonly protocol: Protocol | readonly Protocol[]
  /** For logs and metrics. Default: the first protocol's name, with the port when taken. */
  readonly name?: string | undefined
  /** Made by `tls()` of `@proxy/tls`. Default: no TLS. */
  readonly tls?: ListenerTls | undefined
  /** What one listener takes on. */
  readonly limits?: ListenerLimits | undefined
  /** Expect a PROXY protocol header (v1 or v2) from clients in these CIDRs; others are taken as direct clients. */
  readonly proxyProtocol?: { readonly trusted: readonly string[] } | undefined
  /** Ends a relay on which no byte moved for so long, in milliseconds; 0 = never. Default 0. */
  readonly idleTimeoutMs?: number | undefined
  /** Connections that the system queues until they are accepted. Default 4,096; the system has a maximum of its own. */
  readonly backlog?: number | undefined
  /** Share the port with other processes (SO_REUSEPORT), where the platform can. Default false. */
  readonly reusePort?: boolean | undefined
}

/**
 * The SSRF guard. Addresses of the deny list (private, loopback, link-local, documentation, multicast ... in IPv4 and in
 * every IPv6 form that carries one) are refused after DNS, and the address that was checked is the one that is dialled.
 */
export interface GuardOptions {
  /**
   * Exceptions to the deny list: `10.0.0.0/8`, `127.0.0.1`, `fd00::/8`, with an optional port or port range behind a
   * space: `10.1.0.0/16 5432`, `127.0.0.0/8 1024-65535`. Cloud metadata addresses stay denied.
   */
  readonly allow?: readonly string[] | undefined
  /** When given, only these ports may be dialled at all. */
  readonly ports?: readonly number[] | undefined
  /** How long DNS answers are reused; five minutes more while DNS is silent or fails. Default 30,000 ms; 0 = never. */
  readonly dnsTtlMs?: number | undefined
}

export interface GatewayOptions {
  /** At least one. */
  readonly listeners: readonly ListenerOptions[]
  /** Where a key leads. A function stands for a resolver that only resolves. */
  readonly resolver: Resolver | ResolveFunction
  /** Policies, outermost first. The guard is always added innermost and need not be named. */
  readonly layers?: readonly Layer[] | undefined
  /** Options of the SSRF guard, or false to dial whatever the resolver says. Default: on, nothing allowed. */
  readonly guard?: GuardOptions | false | undefined
  /** Tried in order before the stream relay. */
  readonly relays?: readonly Relay[] | undefined
  /** Default: Node's sockets. */
  readonly transport?: Transport | undefined
  /** Needed where a resolution asks for TLS towards the backend: `backendTls()` of `@proxy/tls`. */
  readonly backendTls?: BackendTlsProvider | undefined
  /** Share one to observe several gateways together. Default: one of its own. */
  readonly hooks?: Hooks | undefined
  /** Default: real time. */
  readonly clock?: Clock | undefined
  /** The other processes that share the listeners. Default: there are none. */
  readonly peers?: Peers | undefined
  /** Default 5,000 ms. A resolution may override it. */
  readonly connectTimeoutMs?: number | undefined
}

export type GatewayPhase = 'idle' | 'open' | 'draining' | 'closed'

export interface DrainOptions {
  /** Keep accepting for so long after readiness is gone, for the balancer to notice. Default 0 ms. */
  readonly delayMs?: number | undefined
  /** Sessions that are left after this are ended. Default 30,000 ms. */
  readonly deadlineMs?: number | undefined
}

export interface ListenerStats {
  readonly name: string
  readonly address: Address
  readonly protocol: string
  readonly connections: number
  readonly accepted: number
  readonly refused: number
}

export interface GatewayStats {
  readonly phase: GatewayPhase
  readonly sessions: number
  readonly listeners: readonly ListenerStats[]
  readonly resolver: Record<string, unknown>
  /** What the layers say of themselves, by their names. */
  readonly layers: Readonly<Record<string, Record<string, unknown>>>
}

/** A session, as an operator sees it. */
export interface SessionStats {
  readonly session: string
  readonly listener: string
  readonly protocol: string
  readonly client: Address
  /** Of the latest route; undefined before the first. */
  readonly key: string | undefined
  readonly phase: 'opening' | 'relaying'
  readonly bytesFromClient: number
  readonly bytesToClient: number
  readonly ageMs: number
}

/** Which sessions are meant: those that match everything that is given. */
export interface SessionFilter {
  readonly session?: string | undefined
  readonly key?: string | undefined
  readonly listener?: string | undefined
}

/**
 * `new Gateway(options)`: assembles listeners, layers and resolver.
 * `idle -> open -> draining -> closed`; `open()` is all or nothing.
 */
export interface GatewayApi {
  readonly phase: GatewayPhase
  readonly hooks: Hooks
  /** Bound addresses in the order of the options' listeners. */
  readonly addresses: readonly Address[]
  /** Binds every listener, or none and rejects with `PROXY_LISTEN_FAILED` or `PROXY_CONFIG_INVALID`. */
  open(): Promise<void>
  /**
   * Replaces listeners, resolver and layers without losing a connection: addresses that stay keep their socket,
   * sessions under way end as they began. All or nothing, as `open`.
   */
  reload(options: GatewayOptions): Promise<void>
  /** Stops accepting, lets sessions finish until the deadline, ends the rest, then closes. */
  drain(options?: DrainOptions): Promise<void>
  /** Ends everything at once. */
  close(): Promise<void>
  /** Forgets what is cached of a key: `resolver.purge` and every cache layer. */
  purge(key: string): Promise<void>
  stats(): GatewayStats
  /** The open sessions that match, oldest first, at most `limit` (default 100) of them. */
  sessions(filter?: SessionFilter, limit?: number): readonly SessionStats[]
  /** Ends the sessions that match, each with its protocol's own error where one can still be sent. How many they were. */
  kill(filter: SessionFilter): number
}
