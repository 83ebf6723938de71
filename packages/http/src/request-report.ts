import type { Endpoint, GatewayError, RequestTrace, Session } from '@proxy/kernel'
import type { HttpProtocol } from './protocol.ts'

/** What is observed of a request, from its head to the end of its response: told in `request:end`. */
export class RequestReport {
  /** 0: there is no answer yet. */
  status = 0
  bytesIn = 0
  bytesOut = 0
  endpoint: Endpoint | undefined = undefined
  error: GatewayError | undefined = undefined
  trace: RequestTrace | undefined = undefined
  /** Somebody asks. */
  observed = false
  readonly #server: HttpProtocol
  #startedAt = 0
  #routedMs: number | undefined = undefined
  #upstreamMs: number | undefined = undefined
  #firstByteMs: number | undefined = undefined
  /** Known early where the whole response came in one read. */
  #durationMs: number | undefined = undefined

  constructor(server: HttpProtocol) {
    this.#server = server
  }

  /** A request begins with a head of so many bytes. */
  begin(observed: boolean, headBytes: number): void {
    this.status = 0
    this.bytesOut = 0
    this.observed = observed
    if (observed) this.#reset(headBytes)
  }

  #reset(headBytes: number): void {
    this.bytesIn = headBytes
    this.endpoint = undefined
    this.error = undefined
    this.#startedAt = this.#server.exactNow()
    this.#routedMs = undefined
    this.#upstreamMs = undefined
    this.#firstByteMs = undefined
    this.#durationMs = undefined
  }

  /** The backend is known; `atOnce`: nothing had to be waited for. */
  routed(atOnce: boolean): void {
    this.#routedMs = atOnce ? 0 : this.#elapsed()
  }

  /** There is a connection to it. */
  connected(): void {
    this.#upstreamMs ??= this.#elapsed()
  }

  /** It was there already when the backend was known. */
  pooled(): void {
    this.#upstreamMs = this.#routedMs
  }

  /** That connection was of no use. */
  disconnected(): void {
    this.#upstreamMs = undefined
  }

  /** The backend answers; `complete`: in one go. */
  answered(complete: boolean): void {
    this.#firstByteMs = this.#elapsed()
    if (complete) this.#durationMs = this.#firstByteMs
  }

  /** Milliseconds since the head, to the microsecond. */
  get durationMs(): number {
    return Math.round((this.#server.exactNow() - this.#startedAt) * 1_000) / 1_000
  }

  /** Milliseconds since the head; 0 when nobody asks. */
  #elapsed(): number {
    return this.observed ? this.#server.exactNow() - this.#startedAt : 0
  }

  /** The request is over. Nothing is told of one that began when nobody asked. */
  end(session: Session, version: '1.0' | '1.1' | '2', key: string, method: string, path: string): void {
    const { hooks } = this.#server
    if (!this.observed || !hooks.has('request:end')) return
    hooks.emit('request:end', {
      session: session.id,
      listener: session.listener,
      protocol: session.protocol,
      key,
      method,
      path,
      status: this.status,
      version,
      durationMs: this.#durationMs ?? this.#elapsed(),
      timing: { routedMs: this.#routedMs, upstreamMs: this.#upstreamMs, firstByteMs: this.#firstByteMs },
      bytesFromClient: this.bytesIn,
      bytesToClient: this.bytesOut,
      endpoint: this.endpoint,
      error: this.error,
      trace: this.trace,
    })
  }
}
