import { woken } from '../backend.ts'
import type { Backend, Disposer, LayerContext, Resolution } from '../contracts.ts'
import { GatewayError } from '../errors.ts'
import { Flight } from './flight.ts'
import { type ProbePace, Readiness, type WakeTarget } from './readiness.ts'
import { wakeFailed, wakeTimeout } from './wake-errors.ts'

/** Hears of a lane's end, once, before those who wait: what they do next builds on what it then forgets. */
export interface LaneOwner extends ProbePace {
  laneServes(lane: Lane, backend: Backend): void
  laneFailed(error: GatewayError): void
}

/**
 * Those who wait for one start with one protocol: a backend may serve one before it serves another. Ends when the backend
 * serves that protocol, or at the deadline, which counts from the arrival of the first.
 */
export class Lane {
  readonly #context: LayerContext
  readonly #target: WakeTarget
  readonly #owner: LaneOwner
  readonly #flight = new Flight<Backend>()
  readonly #cancelDeadline: Disposer
  #readiness: Readiness | undefined = undefined
  #asking: AbortController | undefined = undefined
  #outcome: Backend | GatewayError | undefined = undefined

  constructor(context: LayerContext, target: WakeTarget, deadlineMs: number, owner: LaneOwner) {
    this.#context = context
    this.#target = target
    this.#owner = owner
    this.#cancelDeadline = context.clock.after(deadlineMs, () => this.fail(wakeTimeout(this.#readiness?.lastError)))
  }

  get outcome(): Backend | GatewayError | undefined {
    return this.#outcome
  }

  get waiting(): number {
    return this.#flight.size
  }

  join(signal: AbortSignal): Promise<Backend> {
    return this.#flight.join(signal)
  }

  /** The resolver says that it has started `asked`, perhaps anew: wait until it serves. */
  async started(answer: Resolution, asked: Backend): Promise<void> {
    if (this.#outcome !== undefined) return
    let backend: Backend
    try {
      backend = woken(this.#target.backend, answer, asked)
    } catch (error) {
      return this.fail(wakeFailed(error))
    }
    await this.#poll(backend)
  }

  async #poll(backend: Backend): Promise<void> {
    const readiness = this.#ask(backend)
    try {
      await readiness.wait()
      this.#serves(backend)
    } catch (error) {
      if (this.#readiness === readiness) this.fail(GatewayError.from(error, 'PROXY_WAKE_FAILED'))
    }
  }

  /** Whoever was asked before is asked no more. */
  #ask(backend: Backend): Readiness {
    this.#asking?.abort()
    this.#asking = new AbortController()
    this.#readiness = new Readiness(this.#context, { ...this.#target, backend }, this.#asking.signal, this.#owner)
    return this.#readiness
  }

  nudge(): void {
    this.#readiness?.nudge()
  }

  fail(error: GatewayError): void {
    if (this.#outcome !== undefined) return
    this.#outcome = error
    this.#cancelDeadline()
    this.#asking?.abort(error)
    this.#owner.laneFailed(error)
    this.#flight.reject(error)
  }

  #serves(backend: Backend): void {
    if (this.#outcome !== undefined) return
    this.#outcome = backend
    this.#cancelDeadline()
    this.#owner.laneServes(this, backend)
    this.#flight.resolve(backend)
  }
}
