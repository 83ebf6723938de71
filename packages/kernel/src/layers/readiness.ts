import type { Backend, Disposer, LayerContext, ProbeTarget } from '../contracts.ts'
import { GatewayError } from '../errors.ts'

const longestPauseMs = 100
/** To answer that it does not serve yet costs a backend more than to refuse. */
const leastAnswerMs = 10
/** A probe that nobody answers gives way to the next: something may listen there in the backend's place. */
const probeTimeoutMs = 10_000
/** What was started and has refused for so long may be gone again. */
const goneAfterMs = 5_000

/** Whoever has backends asked. */
export interface ProbePace {
  /** From one question to the next, in milliseconds, for as long as the backend is refused. */
  readonly everyMs: number
  /** The backend has refused to be dialled for five seconds on end. */
  refused(): void
}

/** What a start of a backend is probed with: as those who wait for it will speak to it. */
export interface WakeTarget {
  readonly backend: Backend
  readonly key: string
  readonly listener: string
  readonly protocol: string
}

/**
 * Asks a backend again and again whether it serves, and at once when told to. Being refused costs nothing over there, so as long as
 * nobody listens it is asked as often as `everyMs` allows; one that answers is asked less and less often, so that it is noticed
 * within a hundredth of the time of its start.
 */
export class Readiness {
  readonly #context: LayerContext
  readonly #target: ProbeTarget
  readonly #signal: AbortSignal
  readonly #pace: ProbePace
  #refusedAt: number | undefined = undefined
  #hasten: (() => void) | undefined = undefined
  #nudged = false
  /** What the latest probe failed with. */
  lastError: GatewayError | undefined = undefined

  constructor(context: LayerContext, target: ProbeTarget, signal: AbortSignal, pace: ProbePace) {
    this.#context = context
    this.#target = target
    this.#signal = signal
    this.#pace = pace
  }

  /** Settles when the backend serves; rejects when the signal is aborted, or a probe fails in a way that time does not mend. */
  async wait(): Promise<void> {
    const { clock } = this.#context
    const startedAt = clock.now()
    for (let attempt = 0; !(await this.#serves(attempt)); attempt++) {
      const refused = this.lastError?.code === 'PROXY_DIAL_REFUSED'
      this.#watchRefusals(refused, clock.now())
      const { everyMs } = this.#pace
      const delayMs = refused ? everyMs : Math.max(everyMs, leastAnswerMs, (clock.now() - startedAt) / 100)
      await this.#pause(Math.min(longestPauseMs, delayMs))
      if (this.#signal.aborted) throw GatewayError.from(this.#signal.reason)
    }
  }

  /** The backend changed: ask it now, also when an older question hangs. */
  nudge(): void {
    this.#nudged = true
    this.#hasten?.()
  }

  /** One probe, of one endpoint after the other. */
  async #serves(attempt: number): Promise<boolean> {
    const { endpoints } = this.#target.backend
    const probe = this.#limit()
    try {
      const target = { ...this.#target, endpoint: endpoints[attempt % endpoints.length] }
      await this.#context.probe(target, probe.signal)
      return true
    } catch (cause) {
      const error = GatewayError.from(cause, 'PROXY_WAKE_FAILED')
      this.lastError = error
      if (this.#signal.aborted || !error.retryable) throw error
      return false
    } finally {
      probe.end()
    }
  }

  #watchRefusals(refused: boolean, now: number): void {
    if (!refused) this.#refusedAt = undefined
    else if (now - (this.#refusedAt ??= now) >= goneAfterMs) {
      this.#refusedAt = now
      this.#pace.refused()
    }
  }

  #limit(): { readonly signal: AbortSignal; readonly end: Disposer } {
    const { clock } = this.#context
    const startedAt = clock.now()
    const controller = new AbortController()
    const giveUp = (): void => controller.abort(new GatewayError('PROXY_BACKEND_TIMEOUT'))
    const stop = (): void => controller.abort(this.#signal.reason)
    const cancel = clock.after(probeTimeoutMs, giveUp)
    this.#signal.addEventListener('abort', stop)
    this.#nudged = false
    this.#hasten = () => {
      if (clock.now() - startedAt >= longestPauseMs) giveUp()
    }
    const end = (): void => {
      cancel()
      this.#signal.removeEventListener('abort', stop)
    }
    return { signal: controller.signal, end }
  }

  #pause(delayMs: number): Promise<void> {
    this.#hasten = undefined
    if (this.#nudged) return Promise.resolve()
    const spreadMs = delayMs * (0.5 + Math.random() / 2)
    return new Promise((resolve) => {
      const end = (): void => {
        cancel()
        this.#hasten = undefined
        this.#signal.removeEventListener('abort', end)
        resolve()
      }
      const cancel: Disposer = this.#context.clock.after(spreadMs, end)
      this.#hasten = end
      this.#signal.addEventListener('abort', end)
    })
  }
}
