import { isIP } from 'node:net'
import type {
  Acceptor,
  Address,
  Binding,
  Clock,
  ConnectOptions,
  Disposer,
  Link,
  ListenOptions,
  Transport,
} from '@proxy/kernel'
import { GatewayError } from '@proxy/kernel'
import { fakeClock } from './clock.ts'
import { MemoryLink, type Splitter } from './memory-link.ts'
import { Peer } from './peer.ts'
import { turn } from './waiting.ts'

export interface MemoryTransportOptions {
  /** For connect timeouts. Default: one that never moves. */
  readonly clock?: Clock | undefined
  /** What an end takes in ahead of its handler; beyond it `write` returns false. Default 65,536. */
  readonly windowBytes?: number | undefined
}

/** What goes wrong with connections to an address. */
export interface Fault {
  /** The dial is refused. */
  readonly refuse?: boolean | undefined
  /** The dial is never answered. */
  readonly blackhole?: boolean | undefined
  /** The connection breaks when the dialling end has read so many bytes. */
  readonly resetAfterBytes?: number | undefined
}

/** A scripted backend: the connections it was given, in order. */
export interface MemoryBackend {
  readonly connections: readonly Peer[]
  close(): void
}

/** A network in memory, with everything on it that is in a {@link Transport}'s contract, and faults on demand. */
export interface MemoryTransport extends Transport {
  /** Open links, both ends of each connection counted. */
  readonly openLinks: number
  /** Addresses that are listened on. */
  readonly bindings: number
  /** How often `connect` was called, faults included. */
  readonly dials: number
  /** Makes every link that is accepted or dialled from now on read like this. `() => 1`: byte by byte. */
  split(splitter: Splitter | undefined): void
  /** Sets, or with `undefined` ends, what goes wrong with an address. */
  fault(address: string, fault: Fault | undefined): void
  /** Serves an address: `10.0.0.1:5432`. Each connection is given to `serve`. */
  backend(address: string, serve?: (peer: Peer) => void): MemoryBackend
  /** Connects to what `listen` bound, as a client does. `splitter`: how the accepting end reads. */
  client(address: Address | string, options?: ClientOptions): Promise<Peer>
}

export interface ClientOptions {
  /** How the accepting end reads what this client sends. Default: the transport's. */
  readonly splitter?: Splitter | undefined
  /** The client's own address. Default 192.0.2.1 and a port of its own. */
  readonly from?: Address | undefined
}

const firstPort = 40_000

class Network implements MemoryTransport {
  readonly name = 'memory'
  dials = 0
  openLinks = 0
  readonly #clock: Clock
  readonly #windowBytes: number
  readonly #acceptors = new Map<string, Acceptor>()
  readonly #faults = new Map<string, Fault>()
  #splitter: Splitter | undefined = undefined
  #lastPort = firstPort

  constructor(options: MemoryTransportOptions) {
    this.#clock = options.clock ?? fakeClock()
    this.#windowBytes = options.windowBytes ?? 65_536
  }

  get bindings(): number {
    return this.#acceptors.size
  }

  async listen(options: ListenOptions, acceptor: Acceptor): Promise<Binding> {
    await turn()
    const host = options.host === 'localhost' ? '127.0.0.1' : options.host
    const address = { host, port: options.port === 0 ? ++this.#lastPort : options.port }
    const text = format(address)
    if (this.#acceptors.has(text)) {
      throw Object.assign(new Error(`listen EADDRINUSE: ${text}`), { code: 'EADDRINUSE' })
    }
    this.#acceptors.set(text, acceptor)
    return { address, close: () => this.#unbind(text, acceptor) }
  }

  connect(options: ConnectOptions, signal: AbortSignal): Promise<Link> {
    this.dials++
    return this.#open({ host: '10.255.0.1', port: ++this.#lastPort }, options, signal)
  }

  split(splitter: Splitter | undefined): void {
    this.#splitter = splitter
  }

  fault(address: string, fault: Fault | undefined): void {
    if (fault === undefined) this.#faults.delete(address)
    else this.#faults.set(address, fault)
  }

  backend(address: string, serve: (peer: Peer) => void = () => undefined): MemoryBackend {
    if (this.#acceptors.has(address)) throw new Error(`${address} is served already`)
    const connections: Peer[] = []
    const acceptor: Acceptor = {
      onLink: (link) => {
        const peer = new Peer(link)
        connections.push(peer)
        serve(peer)
      },
      onError: () => undefined,
    }
    this.#acceptors.set(address, acceptor)
    return { connections, close: () => void this.#unbind(address, acceptor) }
  }

  async client(address: Address | string, options: ClientOptions = {}): Promise<Peer> {
    const to = typeof address === 'string' ? address : format(address)
    const from = options.from ?? { host: '192.0.2.1', port: ++this.#lastPort }
    await turn()
    return new Peer(this.#pair(from, to, {}, options.splitter))
  }

  async #unbind(text: string, acceptor: Acceptor): Promise<void> {
    if (this.#acceptors.get(text) === acceptor) this.#acceptors.delete(text)
    await turn()
  }

  async #open(from: Address, options: ConnectOptions, signal: AbortSignal): Promise<Link> {
    throwIfAborted(signal)
    await turn()
    throwIfAborted(signal)
    const to = format(options)
    const fault = this.#faults.get(to) ?? {}
    if (fault.refuse === true) throw new GatewayError('PROXY_DIAL_REFUSED')
    if (fault.blackhole === true) return neverAnswered(this.#clock, options.timeoutMs, signal)
    return this.#pair(from, to, fault, undefined)
  }

  #pair(from: Address, to: string, fault: Fault, splitter: Splitter | undefined): MemoryLink {
    const acceptor = this.#acceptors.get(to)
    if (acceptor === undefined) throw new GatewayError(unreachable(to))
    const near = this.#link({ remote: parse(to), local: from })
    const far = this.#link({ remote: from, local: parse(to) })
    if (splitter !== undefined) far.splitter = splitter
    near.resetAfterBytes = fault.resetAfterBytes ?? Number.POSITIVE_INFINITY
    MemoryLink.connect(near, far)
    acceptor.onLink(far)
    return near
  }

  #link(ends: { remote: Address; local: Address }): MemoryLink {
    const link = new MemoryLink({ ...ends, windowBytes: this.#windowBytes })
    link.splitter = this.#splitter
    link.onGone = () => void this.openLinks--
    this.openLinks++
    return link
  }
}

export function memoryTransport(options: MemoryTransportOptions = {}): MemoryTransport {
  return new Network(options)
}

/** `host:port`, `[v6]:port`. */
export function format(address: Address): string {
  return address.host.includes(':') ? `[${address.host}]:${address.port}` : `${address.host}:${address.port}`
}

function parse(address: string): Address {
  const colon = address.lastIndexOf(':')
  return { host: address.slice(0, colon).replace(/^\[|\]$/g, ''), port: Number(address.slice(colon + 1)) }
}

/** A name that no one serves does not exist; an address that no one serves refuses. */
const unreachable = (to: string): 'PROXY_DIAL_REFUSED' | 'PROXY_DIAL_DNS' =>
  isIP(parse(to).host) === 0 ? 'PROXY_DIAL_DNS' : 'PROXY_DIAL_REFUSED'

function throwIfAborted(signal: AbortSignal): void {
  if (signal.aborted) throw GatewayError.from(signal.reason, 'PROXY_CLIENT_GONE')
}

function neverAnswered(clock: Clock, timeoutMs: number, signal: AbortSignal): Promise<never> {
  return new Promise((_resolve, reject) => {
    const settle = (error: GatewayError): void => {
      stop()
      signal.removeEventListener('abort', onAbort)
      reject(error)
    }
    const onAbort = (): void => settle(GatewayError.from(signal.reason, 'PROXY_CLIENT_GONE'))
    const stop: Disposer = clock.after(timeoutMs, () => settle(new GatewayError('PROXY_DIAL_TIMEOUT')))
    signal.addEventListener('abort', onAbort)
  })
}
