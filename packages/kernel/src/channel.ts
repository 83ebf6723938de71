import { ByteQueue } from './byte-queue.ts'
import type {
  Address,
  Channel,
  ClientHello,
  ClientHelloReader,
  Detached,
  Framer,
  Link,
  LinkHandler,
  Secured,
  SecureRequest,
  TlsInfo,
} from './contracts.ts'
import { type ErrorCode, GatewayError } from './errors.ts'

const READY: Promise<void> = Promise.resolve()

/** TLS as one channel may begin it: the listener's server end, or the client end towards a backend. */
export interface ChannelTls {
  readonly clientHello: ClientHelloReader | undefined
  readonly alpn: readonly string[]
  secure(link: Link, request: SecureRequest): Promise<Secured>
}

/** Hears of the end of a channel's link, whoever owns the channel. */
export interface ChannelOwner {
  /** The peer sent its FIN while the channel was in pull mode. */
  channelEnded(channel: LinkChannel): void
  channelClosed(channel: LinkChannel, error: Error | undefined): void
  /** The first bytes of a backend have come. */
  channelHeard?(): void
  /** The link has a new owner. */
  channelDetached(channel: LinkChannel): void
  /** Aborts a TLS handshake. */
  readonly signal: AbortSignal
}

/** The one pull that may be pending. */
interface Pull {
  readonly framer: Framer
  readonly consume: boolean
  readonly resolve: (bytes: Buffer) => void
  readonly reject: (error: GatewayError) => void
}

interface Waiter {
  readonly resolve: () => void
  readonly reject: (error: GatewayError) => void
}

/** Pull on top of a push link. Reading goes on between pulls up to `maxBytes`, so that a client's FIN is seen. */
export class LinkChannel implements Channel, LinkHandler {
  #link: Link
  readonly #owner: ChannelOwner
  readonly #maxBytes: number
  readonly #gone: ErrorCode
  #queue: ByteQueue | undefined = undefined
  #tlsOptions: ChannelTls | undefined
  #tls: TlsInfo | undefined = undefined
  #peer: Address | undefined = undefined
  #pull: Pull | undefined = undefined
  #drain: Waiter | undefined = undefined
  #failure: GatewayError | undefined = undefined
  #detached = false

  /** `gone` is the code with which pulls fail when the peer closes. */
  constructor(link: Link, owner: ChannelOwner, maxBytes: number, gone: ErrorCode, tls: ChannelTls | undefined) {
    this.#link = link
    this.#owner = owner
    this.#maxBytes = maxBytes
    this.#gone = gone
    this.#tlsOptions = tls
    link.attach(this)
    link.resume()
  }

  get link(): Link {
    return this.#link
  }

  get peer(): Address {
    return (this.#peer ??= this.#link.remote)
  }

  /** The address out of a PROXY protocol header. */
  set peer(address: Address) {
    this.#peer = address
  }

  get tls(): TlsInfo | undefined {
    return this.#tls
  }

  get canSecure(): boolean {
    return this.#tlsOptions !== undefined && this.#tls === undefined
  }

  get unread(): number {
    return this.#queue?.length ?? 0
  }

  peek(framer: Framer): Promise<Buffer> {
    return this.#begin(framer, false)
  }

  read(framer: Framer): Promise<Buffer> {
    return this.#begin(framer, true)
  }

  write(bytes: Uint8Array | string): Promise<void> {
    if (this.#failure !== undefined) return Promise.reject(this.#failure)
    if (this.#link.closed) return Promise.reject(new GatewayError(this.#gone))
    if (this.#link.write(bytes)) return READY
    return new Promise((resolve, reject) => {
      this.#drain = { resolve, reject }
    })
  }

  async peekClientHello(): Promise<ClientHello> {
    const reader = this.#tlsOptions?.clientHello
    if (reader === undefined) throw new GatewayError('PROXY_TLS_UNAVAILABLE')
    return reader.parse(await this.peek(reader.framer))
  }

  async secure(goAhead?: Uint8Array | string): Promise<TlsInfo> {
    const options = this.#tlsOptions
    if (options === undefined || this.#tls !== undefined) throw new GatewayError('PROXY_TLS_UNAVAILABLE')
    if (goAhead !== undefined && this.unread > 0) throw new GatewayError('PROXY_TLS_INJECTION')
    if (this.#failure !== undefined) throw this.#failure
    const link = this.#link
    link.pause()
    if (goAhead !== undefined) link.write(goAhead)
    const request = { unread: Buffer.from(this.#bytes.take()), alpn: options.alpn, signal: this.#owner.signal }
    const secured = await options.secure(link, request)
    this.#adopt(secured)
    return secured.tls
  }

  end(): void {
    this.#link.end()
  }

  destroy(): void {
    this.#link.destroy()
  }

  detach(): Detached {
    this.#link.pause()
    this.#detached = true
    this.#owner.channelDetached(this)
    const unread = this.#bytes.take()
    this.#queue = undefined
    return { link: this.#link, unread }
  }

  /** Rejects what is pending and every later pull. */
  fail(error: GatewayError): void {
    this.#failure ??= error
    this.#settle(error)
  }

  /** Rejects what is pending, if anything is; later pulls are not concerned. */
  interrupt(error: GatewayError): void {
    this.#settlePull(error)
  }

  onData(link: Link, bytes: Buffer): void {
    this.#bytes.append(bytes)
    if (this.#pull !== undefined) this.#attempt(this.#pull)
    if (this.#bytes.length >= this.#maxBytes && this.#pull === undefined && !this.#detached) link.pause()
  }

  onDrain(): void {
    const drain = this.#drain
    this.#drain = undefined
    drain?.resolve()
  }

  onEnd(): void {
    this.#settlePull(new GatewayError(this.#gone))
    this.#owner.channelEnded(this)
  }

  onClose(_link: Link, error: Error | undefined): void {
    this.#settle(new GatewayError(this.#gone, error === undefined ? {} : { cause: error }))
    this.#owner.channelClosed(this, error)
  }

  /** Made when bytes come: a channel that was detached has none, mostly for good. */
  get #bytes(): ByteQueue {
    return (this.#queue ??= new ByteQueue())
  }

  #adopt(secured: Secured): void {
    this.#link = secured.link
    this.#tls = secured.tls
    if (secured.link.closed) throw new GatewayError(this.#gone)
    secured.link.attach(this)
    secured.link.resume()
  }

  #begin(framer: Framer, consume: boolean): Promise<Buffer> {
    if (this.#failure !== undefined) return Promise.reject(this.#failure)
    if (this.#pull !== undefined || this.#detached) return Promise.reject(new GatewayError('PROXY_INTERNAL'))
    return new Promise((resolve, reject) => {
      const pull = { framer, consume, resolve, reject }
      this.#pull = pull
      if (this.#bytes.length > 0) this.#attempt(pull)
      if (this.#pull === undefined) return
      if (this.#link.ended || this.#link.closed) this.#settlePull(new GatewayError(this.#gone))
      else this.#link.resume()
    })
  }

  #attempt(pull: Pull): void {
    try {
      // Whatever a transport reads at once, a framer is not tempted to answer with more than it may have.
      const length = pull.framer(this.#bytes.view(Math.min(this.#bytes.length, this.#maxBytes)))
      if (length > this.#maxBytes || (length === 0 && this.#bytes.length >= this.#maxBytes)) {
        throw new GatewayError('PROXY_PEEK_OVERFLOW')
      }
      if (length === 0 || length > this.#bytes.length) return
      this.#pull = undefined
      pull.resolve(pull.consume ? this.#bytes.take(length) : this.#bytes.view(length))
    } catch (error) {
      this.#pull = undefined
      pull.reject(GatewayError.from(error, 'PROXY_MALFORMED'))
    }
  }

  #settle(error: GatewayError): void {
    this.#settlePull(error)
    const drain = this.#drain
    this.#drain = undefined
    drain?.reject(error)
  }

  #settlePull(error: GatewayError): void {
    const pull = this.#pull
    this.#pull = undefined
    pull?.reject(error)
  }
}
