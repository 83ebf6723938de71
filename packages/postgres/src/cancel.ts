import {
  type Backend,
  type Disposer,
  GatewayError,
  type Peers,
  type ProtocolContext,
  type Session,
  type Upstream,
} from '@proxy/kernel'
import { requestBackendTls } from './backend-tls.ts'
import { CancelDesk, cancelTopic } from './cancel-desk.ts'
import {
  type Cancellable,
  CancelKeys,
  exactBackend,
  keyOf,
  type KeyOwner,
  noNode,
  ownerOf,
  requestFor,
} from './cancel-keys.ts'
import { CancelRate } from './cancel-rate.ts'
import type { PostgresSettings } from './options.ts'
import { byteFramer, type CancelKey, parseBackendKeyData, parseCancelRequest, replaceBackendKeyData } from './wire.ts'

/** How long a cancel request may take from here to the backend's answer, which is its FIN. */
const deliveryTimeoutMs = 4_000

/**
 * The cancel keys and requests of one `postgres()` in one process. A CancelRequest names no tenant and comes on a
 * connection of its own, to whichever worker accepts it; so each session is given a key of ours, in which its worker
 * can be read.
 */
export class Cancels {
  readonly #context: ProtocolContext
  readonly #keys: CancelKeys
  readonly #rate: CancelRate
  readonly #settings: PostgresSettings
  readonly #stop: AbortController = new AbortController()
  readonly #desk: CancelDesk
  readonly #leave: Disposer

  constructor(settings: PostgresSettings, context: ProtocolContext) {
    this.#context = context
    this.#settings = settings
    this.#keys = new CancelKeys(new Owner(settings, context.peers))
    this.#rate = new CancelRate(settings.maxCancelRate, context.clock)
    this.#desk = context.shared(cancelTopic, () => new CancelDesk())
    this.#leave = this.#desk.join(context.peers, (key) => this.#deliver(key))
  }

  stop(): void {
    this.#leave()
    this.#rate.stop()
    this.#stop.abort()
  }

  /** Puts a key of ours into the backend's BackendKeyData message. */
  register(backendKeyData: Buffer, upstream: Upstream): Cancellable {
    const own = parseBackendKeyData(backendKeyData)
    const cancellable = this.#keys.mint(own, upstream)
    replaceBackendKeyData(backendKeyData, keyOf(cancellable))
    return cancellable
  }

  /**
   * Serves a connection that brought a CancelRequest. It is never answered, neither is an unknown key; the connection
   * closes when the backend has taken the request, since clients wait for that.
   */
  async serve(session: Session, packet: Buffer): Promise<void> {
    const key = parseCancelRequest(packet)
    if (key === undefined || !this.#rate.admits(session.client.peer.host)) return
    try {
      await this.#cancel(key, packet)
    } catch (error) {
      if (!GatewayError.is(error)) throw error
    }
  }

  #cancel(key: CancelKey, packet: Buffer): Promise<void> | undefined {
    const { peers } = this.#context
    const { node, worker } = ownerOf(key.pid)
    if (node === nodeOf(this.#settings, peers) || node === noNode) return this.#desk.cancel(peers, worker, key)
    const gateway = this.#settings.nodes.get(node)
    if (gateway !== undefined) return this.#send(gateway, `node ${node}`, packet)
    return peers.node === undefined ? undefined : this.#desk.cancel(peers, worker, key, node)
  }

  /** Settles when the backend took it; at once when the key is none of ours. */
  async #deliver(key: CancelKey): Promise<void> {
    const found = this.#keys.find(key)
    if (found !== undefined) await this.#send(exactBackend(found), found.tenant, requestFor(found))
  }

  async #send(backend: Backend, key: string, request: Buffer): Promise<void> {
    const deadline = new AbortController()
    const signal = AbortSignal.any([this.#stop.signal, deadline.signal])
    const timer = this.#context.clock.after(deliveryTimeoutMs, () => deadline.abort())
    try {
      await send(await this.#context.dial(backend, key, signal), request, signal)
    } finally {
      timer()
    }
  }
}

function nodeOf({ node }: PostgresSettings, peers: Peers): number {
  return node ?? peers.node ?? 0
}

/** This worker, by the number that its machine has at the moment. */
class Owner implements KeyOwner {
  readonly #settings: PostgresSettings
  readonly #peers: Peers

  constructor(settings: PostgresSettings, peers: Peers) {
    this.#settings = settings
    this.#peers = peers
  }

  get node(): number {
    return nodeOf(this.#settings, this.#peers)
  }

  get worker(): number {
    return this.#peers.self
  }
}

/** Settles when the backend has closed its end, or never will in time. */
async function send(upstream: Upstream, request: Buffer, signal: AbortSignal): Promise<void> {
  const destroy = (): void => upstream.destroy()
  signal.addEventListener('abort', destroy, { once: true })
  try {
    await requestBackendTls(upstream)
    await upstream.write(request)
    await upstream.read(byteFramer).catch(() => undefined)
  } finally {
    signal.removeEventListener('abort', destroy)
    upstream.destroy()
  }
}
