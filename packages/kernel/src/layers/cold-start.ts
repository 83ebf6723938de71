import { invalid } from '../address.ts'
import type { Backend, Dial, Dialled, DialRequest, Layer, LayerContext, Resolve, RouteRequest } from '../contracts.ts'
import { type ErrorCode, GatewayError } from '../errors.ts'
import { isPromise } from '../promise.ts'
import { ColdStarts, type ColdStartSettings, dialOf } from './cold-starts.ts'

export interface ColdStartOptions {
  /**
   * Everything that a start takes: the resolver's `wake`, until the backend serves, and the dials of those who waited. It counts
   * from the first who came, so nobody waits longer, and whoever comes later waits less. Default 60,000 ms.
   */
  readonly deadlineMs?: number | undefined
  /**
   * How long clients wait at most, by the name of their protocol; they then get `PROXY_WAKE_TIMEOUT`, and the start goes on. `{ http: 0 }`
   * answers requests at once with 503 and Retry-After. Default: until the deadline.
   */
  readonly patienceMs?: Readonly<Record<string, number>> | undefined
  /** Connections that may wait at a time. Default 10,000. */
  readonly maxWaiters?: number | undefined
  /** The same for each key. Default 1,000. */
  readonly maxWaitersPerKey?: number | undefined
  /** Bytes of clients that may be held at a time, as they were when their wait began. Default 67,108,864. */
  readonly maxWaitingBytes?: number | undefined
  /** Dials at a time of a backend that more have waited for. Default 64. */
  readonly maxDials?: number | undefined
  /** How long a start that failed answers for the next, so that a broken backend is not started over and over. Default 1,000 ms. */
  readonly failureTtlMs?: number | undefined
  /**
   * How long a start that succeeded answers for a resolver that has yet to notice it, and for a backend that is refused again.
   * Default 1,000 ms.
   */
  readonly wokenTtlMs?: number | undefined
}

/** What a dial of a backend that does not run comes back with. */
const refusals: ReadonlySet<ErrorCode> = new Set<ErrorCode>([
  'PROXY_DIAL_REFUSED',
  'PROXY_CIRCUIT_OPEN',
  'PROXY_BACKEND_UNHEALTHY',
])

/**
 * Starts backends that the resolver calls asleep, or that refuse to be dialled, where the resolver has a `wake`, and holds the connections
 * until the backend serves their protocol. Name it before `cache`, behind `limits`. One start for each backend however many wait; a client
 * that leaves is out at once and changes nothing for the others, nor does the start end when all have left.
 *
 * Rejects with `PROXY_WAKE_TIMEOUT`, `PROXY_WAKE_FAILED` and `PROXY_WAKE_QUEUE_FULL`, all with `retryAfterMs`, with what `wake` says when that
 * is NOT_FOUND or FORBIDDEN, or with what a probe says that time does not mend. Throws `PROXY_CONFIG_INVALID`.
 */
export function coldStart(options: ColdStartOptions = {}): Layer {
  const settings = settingsOf(options)
  let latest: ColdStart | undefined
  const current = (): ColdStart => {
    if (latest === undefined) throw new GatewayError('PROXY_INTERNAL')
    return latest
  }
  return {
    name: 'coldStart',
    setup(context) {
      const made = new ColdStart(settings, context)
      latest = made
      return made.watch(context)
    },
    resolve: (next) => current().resolve(next),
    dial: (next) => current().dial(next),
    stats: () => latest?.stats() ?? {},
  }
}

class ColdStart {
  readonly #starts: ColdStarts
  /** There is somebody to wake. */
  readonly #possible: boolean

  constructor(settings: ColdStartSettings, context: LayerContext) {
    this.#starts = new ColdStarts(settings, context)
    this.#possible = context.resolver.wake !== undefined
  }

  watch({ hooks, resolver }: LayerContext): () => void {
    const stops = [
      resolver.watch?.((id) => this.#starts.changed(id)),
      hooks.on('tenant:idle', ({ backend }) => this.#starts.changed(backend.id)),
      () => this.#starts.close(),
    ]
    return () => {
      for (const stop of stops) stop?.()
    }
  }

  stats(): Record<string, unknown> {
    return this.#starts.stats()
  }

  resolve(next: Resolve): Resolve {
    if (!this.#possible) return next
    return (request, signal) => {
      const answer = next(request, signal)
      return isPromise(answer) ? this.#readyLater(answer, request, signal) : this.#ready(answer, request, signal)
    }
  }

  dial(next: Dial): Dial {
    if (!this.#possible) return next
    return (request, signal) =>
      request.session === undefined ? next(request, signal) : this.#dial(next, request, request.session, signal)
  }

  async #readyLater(answer: Promise<Backend>, request: RouteRequest, signal: AbortSignal): Promise<Backend> {
    return this.#ready(await answer, request, signal)
  }

  #ready(backend: Backend, request: RouteRequest, signal: AbortSignal): Backend | Promise<Backend> {
    if (backend.state === 'ready') return backend
    if (signal.aborted) throw GatewayError.from(signal.reason, 'PROXY_CLIENT_GONE')
    const arrival = { ...request, backend }
    const outcome = this.#starts.outcome(arrival)
    if (outcome === undefined) return this.#starts.wait(arrival, signal)
    if (GatewayError.is(outcome)) throw outcome
    return outcome
  }

  async #dial(next: Dial, request: DialRequest, session: string, signal: AbortSignal): Promise<Dialled> {
    try {
      return await this.#starts.dial(next, request, signal)
    } catch (error) {
      if (signal.aborted || !GatewayError.is(error) || !refusals.has(error.code)) throw error
      const backend = await this.#woken(request, session, error, signal)
      return this.#starts.dial(next, dialOf(request, backend), signal)
    }
  }

  /** Starts what was refused, once: what is refused although it has just been started fails with that. */
  async #woken(request: DialRequest, session: string, refused: GatewayError, signal: AbortSignal): Promise<Backend> {
    const arrival = { ...request, session, unread: 0 }
    const outcome = this.#starts.outcome(arrival)
    if (outcome !== undefined) throw GatewayError.is(outcome) ? better(outcome, refused) : refused
    try {
      return await this.#starts.wait(arrival, signal)
    } catch (error) {
      throw better(error, refused)
    }
  }
}

/** A resolver to which a backend means nothing has not started it: then the dial says more. */
function better(error: unknown, refused: GatewayError): unknown {
  return GatewayError.is(error) && error.code === 'PROXY_RESOLVE_NOT_FOUND' ? refused : error
}

function settingsOf(options: ColdStartOptions): ColdStartSettings {
  const { patienceMs = {} } = options
  for (const [protocol, ms] of Object.entries(patienceMs)) checked(`patienceMs.${protocol}`, ms, 0)
  return {
    deadlineMs: checked('deadlineMs', options.deadlineMs ?? 60_000, 1),
    patienceMs,
    maxWaiters: checked('maxWaiters', options.maxWaiters ?? 10_000, 1),
    maxWaitersPerKey: checked('maxWaitersPerKey', options.maxWaitersPerKey ?? 1_000, 1),
    maxWaitingBytes: checked('maxWaitingBytes', options.maxWaitingBytes ?? 67_108_864, 1),
    maxDials: checked('maxDials', options.maxDials ?? 64, 1),
    failureTtlMs: checked('failureTtlMs', options.failureTtlMs ?? 1_000, 0),
    wokenTtlMs: checked('wokenTtlMs', options.wokenTtlMs ?? 1_000, 0),
  }
}

function checked(name: string, value: number, least: number): number {
  if (value >= least) return value
  throw invalid(`${name}: ${value}`, `is not ${least} or more`)
}
