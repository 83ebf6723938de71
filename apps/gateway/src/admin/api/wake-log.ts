/** A wake that has ended. */
export interface FinishedWake {
  readonly backend: string
  readonly key: string
  readonly durationMs: number
  /** Code of the error; null: the backend serves. */
  readonly error: string | null
  /** Milliseconds since the epoch. */
  readonly endedAt: number
}

const kept = 50
const mostOpen = 1_000

/** Wakes of all workers. Those who wait for one backend in several workers wait for one wake. */
export class WakeLog {
  /** The workers that wait, by backend. */
  readonly #open = new Map<string, Set<number>>()
  #finished: FinishedWake[] = []
  #woken = 0
  #failures = 0

  /** The latest first. */
  get finished(): readonly FinishedWake[] {
    return this.#finished
  }

  /** Since the gateway started. */
  get totals(): { readonly woken: number; readonly failures: number } {
    return { woken: this.#woken, failures: this.#failures }
  }

  /** True: nobody waited for this backend before. */
  start(worker: number, backend: string): boolean {
    const workers = this.#open.get(backend)
    if (workers === undefined && this.#open.size < mostOpen) this.#open.set(backend, new Set([worker]))
    workers?.add(worker)
    return workers === undefined
  }

  /** True: nobody waits for this backend any longer. */
  end(worker: number, wake: FinishedWake): boolean {
    const workers = this.#open.get(wake.backend)
    workers?.delete(worker)
    if (workers !== undefined && workers.size > 0) return false
    this.#open.delete(wake.backend)
    if (wake.error === null) this.#woken++
    else this.#failures++
    this.#finished = [wake, ...this.#finished].slice(0, kept)
    return true
  }

  /** The worker is gone, and who waited in it. */
  forget(worker: number): void {
    for (const [backend, workers] of this.#open) {
      workers.delete(worker)
      if (workers.size === 0) this.#open.delete(backend)
    }
  }
}
