import { type Clock, type CloseReason, type Disposer, GatewayError, type Idler, sweepWhile } from '@proxy/kernel'

const tlsTimeoutMs = 30_000

export interface Watched {
  /** Bytes that have moved so far. */
  readonly moved: number
  /** `busy`: somebody else sees to the time. */
  readonly waitsFor: 'client' | 'backend' | 'handshake' | 'busy'
  expire(reason: CloseReason, error: GatewayError): void
}

/** Ends a session on which nothing is said (RFC 5321 section 4.5.3.2). Looks at it every half a second. */
export class IdleWatch implements Idler {
  idleTimeoutMs: number
  readonly #watched: Watched
  readonly #stop: Disposer
  #moved = 0
  #movedAt: number

  constructor(clock: Clock, idleTimeoutMs: number, watched: Watched) {
    this.idleTimeoutMs = idleTimeoutMs
    this.#watched = watched
    this.#movedAt = clock.now()
    this.#stop = sweepWhile(clock, this)
  }

  stop(): void {
    this.#stop()
  }

  /** Time begins anew. */
  touch(now: number): void {
    this.#movedAt = now
  }

  sweep(now: number): boolean {
    const { moved, waitsFor } = this.#watched
    const silentMs = now - this.#movedAt
    if (waitsFor === 'busy' || (waitsFor !== 'handshake' && moved !== this.#moved)) {
      this.#moved = moved
      this.#movedAt = now
    } else if (silentMs >= this.#limitMs(waitsFor)) {
      this.#expire(waitsFor)
      return false
    }
    return true
  }

  /** The end of a message may take a backend twice as long as the next command takes a client. */
  #limitMs(waitsFor: Watched['waitsFor']): number {
    if (waitsFor === 'handshake') return tlsTimeoutMs
    return waitsFor === 'backend' ? 2 * this.idleTimeoutMs : this.idleTimeoutMs
  }

  #expire(waitsFor: Watched['waitsFor']): void {
    const error =
      waitsFor === 'backend'
        ? new GatewayError('PROXY_BACKEND_TIMEOUT')
        : new GatewayError('PROXY_PEEK_TIMEOUT', { message: 'nothing was said for too long' })
    this.#watched.expire('idle_timeout', error)
  }
}
