import { type Backend, GatewayError, type Resolution, type Resolver } from '@proxy/kernel'

interface Flight {
  readonly done: Promise<Resolution>
  readonly abort: AbortController
  waiters: number
}

/** One wake of each backend, however many workers ask for it. It is given up when all of them have. */
export class WakeFlights {
  readonly #resolver: Resolver
  readonly #flights = new Map<string, Flight>()

  constructor(resolver: Resolver) {
    this.#resolver = resolver
  }

  wake(sleeping: Backend, signal: AbortSignal): Promise<Resolution> {
    const flight = this.#flights.get(sleeping.id) ?? this.#begin(sleeping)
    flight.waiters++
    return new Promise((resolve, reject) => {
      const leave = (): void => {
        flight.waiters--
        if (flight.waiters === 0) this.#giveUp(sleeping.id, flight, signal.reason)
        reject(signal.reason as Error)
      }
      if (signal.aborted) leave()
      else signal.addEventListener('abort', leave, { once: true })
      flight.done.then(resolve, reject).finally(() => signal.removeEventListener('abort', leave))
    })
  }

  #begin(sleeping: Backend): Flight {
    const abort = new AbortController()
    const flight: Flight = { done: this.#ask(sleeping, abort.signal), abort, waiters: 0 }
    this.#flights.set(sleeping.id, flight)
    flight.done.catch(() => undefined).finally(() => this.#land(sleeping.id, flight))
    return flight
  }

  async #ask(sleeping: Backend, signal: AbortSignal): Promise<Resolution> {
    return (await this.#resolver.wake?.(sleeping, signal)) ?? sleeping
  }

  #giveUp(id: string, flight: Flight, reason: unknown): void {
    this.#land(id, flight)
    flight.abort.abort(GatewayError.from(reason, 'PROXY_WAKE_TIMEOUT'))
  }

  #land(id: string, flight: Flight): void {
    if (this.#flights.get(id) === flight) this.#flights.delete(id)
  }
}
