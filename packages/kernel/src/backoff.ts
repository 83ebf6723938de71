import type { Clock, Disposer, Session } from './contracts.ts'
import { GatewayError } from './errors.ts'

const firstDelayMs = 50
const longestDelayMs = 1_000

/**
 * The pauses between attempts to begin with a backend that takes connections and no sessions yet, while nothing has reached the
 * client: from 50 ms doubled up to 1 s, and spread so that waiters do not come back all at once.
 */
export class Backoff {
  /** Pauses so far: 0 in the first attempt. */
  pauses = 0
  readonly #session: Session
  readonly #clock: Clock
  readonly #deadline: number
  #delayMs = 0

  /** `timeoutMs` from now on the last attempt must have begun. */
  constructor(session: Session, clock: Clock, timeoutMs: number) {
    this.#session = session
    this.#clock = clock
    this.#deadline = clock.now() + timeoutMs
  }

  /** Milliseconds that are left; below zero when it is too late. */
  get leftMs(): number {
    return this.#deadline - this.#clock.now()
  }

  /** Whether another attempt may be made; {@link pause} then comes before it. */
  mayGoOn(): boolean {
    const delayMs = Math.min(longestDelayMs, firstDelayMs * 2 ** Math.min(this.pauses, 10))
    this.#delayMs = delayMs * (0.5 + Math.random() / 2)
    return this.#delayMs < this.leftMs && !this.#session.draining
  }

  /** Rejects as soon as the session is aborted. That time was up is then the backend's doing: `PROXY_BACKEND_TIMEOUT`. */
  pause(): Promise<void> {
    this.pauses++
    return new Promise((resolve, reject) => {
      new Pause(this.#clock, this.#delayMs, this.#session.signal, resolve, reject)
    })
  }
}

class Pause {
  readonly #signal: AbortSignal
  readonly #cancel: Disposer
  readonly #reject: (error: GatewayError) => void

  constructor(
    clock: Clock,
    delayMs: number,
    signal: AbortSignal,
    resolve: () => void,
    reject: (error: GatewayError) => void,
  ) {
    this.#signal = signal
    this.#reject = reject
    this.#cancel = clock.after(delayMs, () => {
      signal.removeEventListener('abort', this)
      resolve()
    })
    if (signal.aborted) this.handleEvent()
    else signal.addEventListener('abort', this, { once: true })
  }

  /** The signal's 'abort'. */
  handleEvent(): void {
    this.#cancel()
    const reason = GatewayError.from(this.#signal.reason, 'PROXY_CLIENT_GONE')
    this.#reject(reason.code === 'PROXY_PEEK_TIMEOUT' ? new GatewayError('PROXY_BACKEND_TIMEOUT') : reason)
  }
}
