import { woken } from '../backend.ts'
import type { Backend, Disposer, LayerContext } from '../contracts.ts'
import { GatewayError } from '../errors.ts'
import { Flight } from './flight.ts'

const RETRY_AFTER_MS = 1_000

/**
 * One start of one backend, which any number of connections wait for. It goes on when all of them have left: a client whose
 * own timeout is shorter than the start finds the backend running when it tries again. The deadline ends it.
 */
export class Wake {
  readonly #context: LayerContext
  readonly #backend: Backend
  readonly #key: string
  readonly #flight = new Flight<Backend>()
  readonly #controller = new AbortController()
  readonly #startedAt: number
  readonly #settled: () => void
  #cancelDeadline: Disposer | undefined
  #outcome: Backend | GatewayError | undefined

  /** `settled` is called once, when `outcome` is known. */
  constructor(context: LayerContext, backend: Backend, key: string, settled: () => void) {
    this.#context = context
    this.#backend = backend
    this.#key = key
    this.#settled = settled
    this.#startedAt = context.clock.now()
  }

  get outcome(): Backend | GatewayError | undefined {
    return this.#outcome
  }

  join(signal: AbortSignal): Promise<Backend> {
    return this.#flight.join(signal)
  }

  /** Asks the resolver. Whoever should learn of a failure that comes at once has joined before. */
  begin(deadlineMs: number): void {
    const { hooks, clock } = this.#context
    if (hooks.has('wake:start')) hooks.emit('wake:start', { backend: this.#backend, key: this.#key })
    const late = (): void => this.abort(new GatewayError('PROXY_WAKE_TIMEOUT', { retryAfterMs: RETRY_AFTER_MS }))
    this.#cancelDeadline = clock.after(deadlineMs, late)
    void this.#ask()
  }

  /** Ends it for all who wait, whether or not the resolver heeds its signal. */
  abort(error: GatewayError): void {
    this.#settle(error)
    this.#controller.abort(error)
  }

  async #ask(): Promise<void> {
    const { resolver } = this.#context
    try {
      const answer = await resolver.wake?.(this.#backend, this.#controller.signal)
      this.#settle(woken(this.#backend, answer ?? this.#backend))
    } catch (error) {
      this.#settle(wakeError(error))
    }
  }

  #settle(outcome: Backend | GatewayError): void {
    if (this.#outcome !== undefined) return
    this.#outcome = outcome
    this.#cancelDeadline?.()
    this.#settled()
    this.#announce(GatewayError.is(outcome) ? outcome : undefined)
    if (GatewayError.is(outcome)) this.#flight.reject(outcome)
    else this.#flight.resolve(outcome)
  }

  #announce(error: GatewayError | undefined): void {
    const { hooks, clock } = this.#context
    if (!hooks.has('wake:end')) return
    const durationMs = clock.now() - this.#startedAt
    hooks.emit('wake:end', { backend: this.#backend, key: this.#key, durationMs, error })
  }
}

/** A tenant that is gone or closed is that, woken or not; everything else is a start that failed. */
function wakeError(cause: unknown): GatewayError {
  if (!GatewayError.is(cause)) return new GatewayError('PROXY_WAKE_FAILED', { cause, retryAfterMs: RETRY_AFTER_MS })
  if (cause.code === 'PROXY_RESOLVE_NOT_FOUND' || cause.code === 'PROXY_RESOLVE_FORBIDDEN') return cause
  const { hint, retryAfterMs = RETRY_AFTER_MS } = cause
  const code = cause.code === 'PROXY_RESOLVE_TIMEOUT' ? 'PROXY_WAKE_TIMEOUT' : 'PROXY_WAKE_FAILED'
  return new GatewayError(code, { cause, hint, retryAfterMs })
}
