import { backend, type Backend, formatAddress, GatewayError, type Resolution, type Resolver } from '@proxy/kernel'

interface Flight {
  /** What the resolver was given. */
  readonly asked: Backend
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

  /** `sent` is the backend as the worker knows it: of one protocol among several, it may have endpoints of its own. */
  wake(sleeping: Backend, sent: Backend, signal: AbortSignal): Promise<Resolution> {
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
      flight.done
        .then((answer) => resolve(answerFor(sent, answer, flight.asked)), reject)
        .finally(() => signal.removeEventListener('abort', leave))
    })
  }

  #begin(sleeping: Backend): Flight {
    const abort = new AbortController()
    const flight: Flight = { asked: sleeping, done: this.#ask(sleeping, abort.signal), abort, waiters: 0 }
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

/** An answer that leaves the endpoints as they were leaves those of `sent`, too. */
function answerFor(sent: Backend, answer: Resolution, asked: Backend): Resolution {
  const before = endpointsText(asked)
  return endpointsText(sent) !== before && endpointsText(backend(answer)) === before ? sent : answer
}

function endpointsText({ endpoints }: Backend): string {
  return endpoints.map(formatAddress).join()
}
