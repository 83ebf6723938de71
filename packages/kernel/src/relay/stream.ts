import type {
  Clock,
  CloseReason,
  Disposer,
  Link,
  LinkHandler,
  Relay,
  RelayFlight,
  RelayListener,
  RelayOptions,
  RelayRequest,
  RelayResult,
} from '../contracts.ts'
import { lingerMs } from '../farewell.ts'
import { LastWords } from './last-words.ts'
import { Silence, type Silenceable } from './silence.ts'

/** While draining: how long both ends must be silent before a quiet session is cut. */
const quietMs = 1_000

/**
 * Both directions of one relayed session, and the handler of both links. Backpressure: a write that returns false
 * pauses the other end until `onDrain`. A FIN is passed on as a FIN, a reset as a reset.
 */
class StreamFlight implements RelayFlight, LinkHandler, Silenceable {
  firstByteAt: number | undefined = undefined
  readonly #client: Link
  readonly #backend: Link
  readonly #options: RelayOptions
  readonly #clock: Clock
  #done: Promise<RelayResult> | undefined = undefined
  #listener: RelayListener | undefined = undefined
  #result: RelayResult | undefined = undefined
  #reason: CloseReason | undefined = undefined
  #error: Error | undefined = undefined
  #draining = false
  #hurried = false
  #aborting = false
  /** Where somebody will ask how the conversation stands. */
  #lastWords: LastWords | undefined = undefined
  /** Where silence has consequences. */
  #silence: Silence | undefined = undefined
  #cancelLinger: Disposer | undefined = undefined

  constructor(request: RelayRequest) {
    this.#client = request.client
    this.#backend = request.backend
    this.#options = request.options
    this.#clock = request.clock
    if (this.#options.quiet !== undefined) this.#lastWords = new LastWords()
    this.#start(request.clientUnread, request.backendUnread)
  }

  get done(): Promise<RelayResult> {
    return (this.#done ??= new Promise((resolve) => this.report({ relayed: resolve })))
  }

  report(listener: RelayListener): void {
    this.#listener = listener
    const result = this.#result
    if (result !== undefined) queueMicrotask(() => listener.relayed(result))
  }

  onData(link: Link, bytes: Buffer): void {
    if (this.#aborting) return
    if (this.firstByteAt === undefined && link === this.#backend) this.firstByteAt = this.#clock.now()
    this.#lastWords?.note(link === this.#client, bytes)
    if (!this.#peerOf(link).write(bytes)) link.pause()
    if (this.#hurried && link === this.#backend && this.#isQuiet()) this.abort('drain')
  }

  onDrain(link: Link): void {
    this.#peerOf(link).resume()
  }

  onEnd(link: Link): void {
    if (this.#aborting) return
    this.#reason ??= link === this.#client ? 'client' : 'backend'
    this.#peerOf(link).end()
  }

  onClose(link: Link, error: Error | undefined): void {
    const peer = this.#peerOf(link)
    const ofClient = link === this.#client
    if (error !== undefined) {
      this.#reason ??= ofClient ? 'client_reset' : 'backend_reset'
      this.#error ??= error
    }
    this.#reason ??= ofClient ? 'client' : 'backend'
    if (peer.closed) this.#finish()
    else if (!this.#aborting && (error !== undefined || !link.ended)) peer.destroy(error !== undefined)
  }

  drain(): void {
    if (this.#draining) return this.#hurry()
    this.#draining = true
    this.#watch()
  }

  /**
   * The goodbye needs its time: closing on bytes that the client still sends would reset it away. They are dropped
   * until the client's FIN, for which it has a second.
   */
  abort(reason: CloseReason): void {
    if (this.#aborting) return
    const client = this.#client
    this.#aborting = true
    this.#cancelLinger = this.#clock.after(lingerMs, () => client.destroy())
    this.#reason ??= reason
    this.#backend.destroy()
    if (reason === 'drain' && this.#options.goodbye !== undefined) client.write(this.#options.goodbye)
    client.end()
    client.resume()
  }

  get bytesMoved(): number {
    return this.#client.bytesRead + this.#backend.bytesRead
  }

  /** No byte has moved for so long. False: that was the end of it. */
  silent(silentMs: number): boolean {
    const idleMs = this.#options.idleTimeoutMs ?? 0
    if (idleMs > 0 && silentMs >= idleMs) this.#cut('idle_timeout')
    else if (this.#draining && silentMs >= quietMs && this.#isQuiet()) this.abort('drain')
    else return true
    return false
  }

  #start(clientUnread: Buffer, backendUnread: Buffer): void {
    const client = this.#client
    const backend = this.#backend
    client.attach(this)
    backend.attach(this)
    if ((this.#options.idleTimeoutMs ?? 0) > 0) this.#watch()
    if (clientUnread.length > 0) this.#forward(client, clientUnread)
    if (backendUnread.length > 0) this.#forward(backend, backendUnread)
    this.#open(client, backend)
    this.#open(backend, client)
  }

  #forward(from: Link, bytes: Buffer): void {
    this.#lastWords?.note(from === this.#client, bytes)
    this.#peerOf(from).write(bytes)
  }

  /** What happened before the relay was attached is made up for. */
  #open(link: Link, peer: Link): void {
    if (link.closed) queueMicrotask(() => this.onClose(link, undefined))
    else if (link.ended) this.onEnd(link)
    else if (peer.writable) link.resume()
  }

  /** A session that is never silent has to be ended between two of its exchanges. */
  #hurry(): void {
    this.#hurried = true
    if (!this.#aborting && this.#isQuiet()) this.abort('drain')
  }

  /** Counts silence from now on. */
  #watch(): void {
    this.#silence ??= new Silence(this, this.#clock)
    this.#silence.begin()
  }

  #isQuiet(): boolean {
    const { quiet } = this.#options
    const tail = this.#lastWords?.ofBackend
    return quiet !== undefined && tail !== undefined && quiet(tail)
  }

  #cut(reason: CloseReason): void {
    this.#reason ??= reason
    this.#client.destroy()
    this.#backend.destroy()
  }

  #peerOf(link: Link): Link {
    return link === this.#client ? this.#backend : this.#client
  }

  #finish(): void {
    this.#silence?.end()
    this.#cancelLinger?.()
    this.#result = { reason: this.#reason ?? 'done', error: this.#error }
    this.#listener?.relayed(this.#result)
  }
}

/** The relay that is always there: pure TypeScript over any pair of links. */
export function streamRelay(): Relay {
  return { name: 'stream', start: (request) => new StreamFlight(request) }
}
