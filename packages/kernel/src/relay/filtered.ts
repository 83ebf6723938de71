import type {
  CloseReason,
  Link,
  Relay,
  RelayFlight,
  RelayListener,
  RelayOptions,
  RelayRequest,
  RelayResult,
} from '../contracts.ts'
import { isPromise } from '../promise.ts'
import { OuterLink } from './outer-link.ts'
import { streamRelay } from './stream.ts'

/**
 * Looks into one relayed session, for protocols in which a client may later say something that concerns the gateway. Bytes come in any
 * split and are valid only during the call. Only what is handed to the port goes on. What a filter throws ends the relay with
 * the reason `error`.
 */
export interface RelayFilter {
  /** The client's bytes. While a promise is pending the client is not read. Default: they go on. */
  fromClient?(bytes: Buffer, port: RelayPort): void | Promise<void>
  /** The backend's bytes. Default: they go on. */
  fromBackend?(bytes: Buffer, port: RelayPort): void
  /** In place of `RelayOptions.quiet`: may the session end here without losing an answer? */
  quiet?(tail: Buffer): boolean
  /** In place of `RelayOptions.goodbye`. */
  goodbye?(): Uint8Array | undefined
}

/** Where a filter hands bytes on; backpressure is the relay's business. Bytes are borrowed for the call. */
export interface RelayPort {
  toBackend(bytes: Buffer): void
  /** A client that does not take what is sent from `fromClient` is not read either. */
  toClient(bytes: Buffer): void
  /** Sends `last` to the client, then closes both ends. */
  end(reason: CloseReason, last?: Buffer): void
}

const stream: Relay = streamRelay()

/** One end as the relay inside sees it: its bytes come when the filter hands them on, and its FIN not before them. */
class FilteredEnd extends OuterLink {
  readonly #flight: FilteredFlight
  readonly #ofClient: boolean
  /** The filter is at work on earlier bytes. */
  held = true
  /** The peer does not take what the filter answers. */
  #choked = false
  #wanted = false
  #endDue: boolean

  constructor(inner: Link, flight: FilteredFlight, ofClient: boolean) {
    super(inner)
    this.#flight = flight
    this.#ofClient = ofClient
    this.#endDue = inner.ended
  }

  override get ended(): boolean {
    return this.inner.ended && !this.held
  }

  /** Begins with what was read before the relay. */
  begin(unread: Buffer): void {
    if (unread.length > 0) this.onData(this.inner, unread)
    else this.#release()
  }

  deliver(bytes: Buffer): void {
    this.handler?.onData(this, bytes)
  }

  choke(): void {
    this.#choked = true
    this.inner.pause()
  }

  override pause(): void {
    this.#wanted = false
    this.inner.pause()
  }

  override resume(): void {
    this.#wanted = true
    if (!this.held && !this.#choked) this.inner.resume()
  }

  override onData(_link: Link, bytes: Buffer): void {
    this.held = true
    const pending = this.#trySift(bytes)
    if (!isPromise(pending)) return this.#release()
    this.inner.pause()
    pending.then(() => this.#release()).catch((error: unknown) => this.#failed(error))
  }

  override onDrain(): void {
    this.#choked = false
    if (this.#wanted) this.resume()
    this.handler?.onDrain(this)
  }

  override onEnd(): void {
    this.#endDue = true
    if (!this.held) this.#deliverEnd()
  }

  #trySift(bytes: Buffer): void | Promise<void> {
    try {
      return this.#ofClient ? this.#flight.fromClient(bytes) : this.#flight.fromBackend(bytes)
    } catch (error) {
      this.#flight.fail(error)
    }
  }

  #failed(error: unknown): void {
    this.#flight.fail(error)
    this.#release()
  }

  #release(): void {
    this.held = false
    if (this.inner.closed) return
    if (this.#endDue) this.#deliverEnd()
    else if (this.#wanted && !this.#choked) this.inner.resume()
  }

  #deliverEnd(): void {
    this.#endDue = false
    this.handler?.onEnd(this)
  }
}

/** What the relay inside is told, with the filter's own say where it has one. */
class FilteredOptions implements RelayOptions {
  readonly #given: RelayOptions
  readonly #filter: RelayFilter
  readonly quiet: RelayOptions['quiet']

  constructor(given: RelayOptions, filter: RelayFilter) {
    this.#given = given
    this.#filter = filter
    this.quiet = filter.quiet === undefined ? given.quiet : (tail) => filter.quiet?.(tail) === true
  }

  get idleTimeoutMs(): number | undefined {
    return this.#given.idleTimeoutMs
  }

  get goodbye(): Uint8Array | undefined {
    return this.#filter.goodbye === undefined ? this.#given.goodbye : this.#filter.goodbye()
  }
}

/** The stream relay between two ends that show only what the filter hands on. */
class FilteredFlight implements RelayFlight, RelayPort, RelayListener {
  readonly #filter: RelayFilter
  readonly #client: FilteredEnd
  readonly #backend: FilteredEnd
  readonly #inner: RelayFlight
  #done: Promise<RelayResult> | undefined = undefined
  #listener: RelayListener | undefined = undefined
  #result: RelayResult | undefined = undefined
  #answering = false
  #over = false
  #error: Error | undefined = undefined

  constructor(request: RelayRequest, filter: RelayFilter) {
    const none = Buffer.alloc(0)
    this.#filter = filter
    this.#client = new FilteredEnd(request.client, this, true)
    this.#backend = new FilteredEnd(request.backend, this, false)
    this.#inner = stream.start({
      ...request,
      client: this.#client,
      backend: this.#backend,
      clientUnread: none,
      backendUnread: none,
      options: new FilteredOptions(request.options, filter),
    }) as RelayFlight
    this.#inner.report?.(this)
    this.#client.begin(request.clientUnread)
    this.#backend.begin(request.backendUnread)
  }

  get done(): Promise<RelayResult> {
    return (this.#done ??= new Promise((resolve) => this.report({ relayed: resolve })))
  }

  get firstByteAt(): number | undefined {
    return this.#inner.firstByteAt
  }

  report(listener: RelayListener): void {
    this.#listener = listener
    const result = this.#result
    if (result !== undefined) queueMicrotask(() => listener.relayed(result))
  }

  /** The relay inside has ended. */
  relayed(result: RelayResult): void {
    this.#over = true
    this.#result = this.#error === undefined ? result : { ...result, error: this.#error }
    this.#listener?.relayed(this.#result)
  }

  drain(): void {
    this.#inner.drain()
  }

  abort(reason: CloseReason): void {
    this.#over = true
    this.#inner.abort(reason)
  }

  toBackend(bytes: Buffer): void {
    if (bytes.length > 0) this.#client.deliver(bytes)
  }

  toClient(bytes: Buffer): void {
    if (bytes.length > 0) this.#backend.deliver(bytes)
    const answers = this.#answering || this.#client.held
    if (answers && !this.#client.writable) this.#client.choke()
  }

  end(reason: CloseReason, last?: Buffer): void {
    if (this.#over) return
    if (last !== undefined) this.toClient(last)
    this.abort(reason)
  }

  fromClient(bytes: Buffer): void | Promise<void> {
    if (this.#over) return
    if (this.#filter.fromClient === undefined) return this.toBackend(bytes)
    this.#answering = true
    try {
      return this.#filter.fromClient(bytes, this)
    } finally {
      this.#answering = false
    }
  }

  fromBackend(bytes: Buffer): void {
    if (this.#over) return
    if (this.#filter.fromBackend === undefined) this.toClient(bytes)
    else this.#filter.fromBackend(bytes, this)
  }

  fail(error: unknown): void {
    if (this.#over) return
    this.#error = error instanceof Error ? error : new Error('the filter failed', { cause: error })
    this.abort('error')
  }
}

/** The stream relay with a filter in it. One filter object serves one session. */
export function filteredRelay(filter: RelayFilter): Relay {
  return { name: 'filtered', start: (request) => new FilteredFlight(request, filter) }
}
