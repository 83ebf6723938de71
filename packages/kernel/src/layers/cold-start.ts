import { invalid } from '../address.ts'
import type { Backend, Disposer, Layer, LayerContext, RouteRequest } from '../contracts.ts'
import { GatewayError } from '../errors.ts'
import { isPromise } from '../promise.ts'
import { WaitingRoom } from './waiting-room.ts'
import { Wake } from './wake.ts'

export interface ColdStartOptions {
  /** A start that takes longer has failed for all who wait, whenever they came. Default 60,000 ms. */
  readonly deadlineMs?: number | undefined
  /** Connections that may wait at a time. Default 10,000. */
  readonly maxWaiters?: number | undefined
  /** The same for each key. Default 1,000. */
  readonly maxWaitersPerKey?: number | undefined
  /** How long a start that failed answers for the next, so that a broken backend is not started over and over. Default 1,000 ms. */
  readonly failureTtlMs?: number | undefined
  /** How long a start that succeeded answers for a resolver that has yet to notice it. Default 1,000 ms. */
  readonly wokenTtlMs?: number | undefined
}

/**
 * Starts backends that the resolver calls asleep and has a `wake` for, and holds the connections until they are ready. Name it
 * before `cache`, behind `limits`. One start for each backend however many wait; a client that leaves is out at once and
 * changes nothing for the others, nor does the start end when all have left.
 *
 * Rejects with `PROXY_WAKE_TIMEOUT`, `PROXY_WAKE_FAILED` and `PROXY_WAKE_QUEUE_FULL`, all with `retryAfterMs`, or with what
 * `wake` says when that is NOT_FOUND or FORBIDDEN. Throws `PROXY_CONFIG_INVALID`.
 */
export function coldStart(options: ColdStartOptions = {}): Layer {
  const settings: Settings = {
    deadlineMs: checked('deadlineMs', options.deadlineMs ?? 60_000, 1),
    maxWaiters: checked('maxWaiters', options.maxWaiters ?? 10_000, 1),
    maxWaitersPerKey: checked('maxWaitersPerKey', options.maxWaitersPerKey ?? 1_000, 1),
    failureTtlMs: checked('failureTtlMs', options.failureTtlMs ?? 1_000, 0),
    wokenTtlMs: checked('wokenTtlMs', options.wokenTtlMs ?? 1_000, 0),
  }
  let latest: ColdStarts | undefined
  return {
    name: 'coldStart',
    setup(context) {
      const starts = new ColdStarts(settings, context)
      latest = starts
      const unwatch = context.resolver.watch?.((id) => starts.forget(id))
      return () => {
        unwatch?.()
        starts.close()
      }
    },
    resolve(next) {
      const starts = latest
      if (starts === undefined) throw new GatewayError('PROXY_INTERNAL')
      if (!starts.possible) return next
      return (request, signal) => {
        const answer = next(request, signal)
        return isPromise(answer) ? starts.wait(answer, request, signal) : starts.ready(answer, request, signal)
      }
    },
  }
}

type Settings = { readonly [Name in keyof ColdStartOptions]-?: number }

class ColdStarts {
  readonly #settings: Settings
  readonly #context: LayerContext
  readonly #room: WaitingRoom
  /** By backend id. One that has settled stays for as long as its outcome answers for others. */
  readonly #wakes = new Map<string, Wake>()
  readonly #timers = new Set<Disposer>()
  #closed = false

  constructor(settings: Settings, context: LayerContext) {
    this.#settings = settings
    this.#context = context
    this.#room = new WaitingRoom(settings.maxWaiters, settings.maxWaitersPerKey)
  }

  get possible(): boolean {
    return this.#context.resolver.wake !== undefined
  }

  async wait(answer: Promise<Backend>, request: RouteRequest, signal: AbortSignal): Promise<Backend> {
    return this.ready(await answer, request, signal)
  }

  ready(backend: Backend, { key }: RouteRequest, signal: AbortSignal): Backend | Promise<Backend> {
    if (backend.state === 'ready') return backend
    if (signal.aborted) throw GatewayError.from(signal.reason, 'PROXY_CLIENT_GONE')
    const outcome = this.#wakes.get(backend.id)?.outcome
    if (outcome === undefined) return this.#join(backend, key, signal)
    if (GatewayError.is(outcome)) throw outcome
    return outcome
  }

  /** The backend's route changed: what its last start led to may be gone. One that is under way goes on. */
  forget(id: string): void {
    if (this.#wakes.get(id)?.outcome !== undefined) this.#wakes.delete(id)
  }

  close(): void {
    this.#closed = true
    for (const cancel of this.#timers) cancel()
    for (const wake of this.#wakes.values()) wake.abort(new GatewayError('PROXY_DRAINING'))
  }

  async #join(backend: Backend, key: string, signal: AbortSignal): Promise<Backend> {
    this.#room.enter(key)
    try {
      const flying = this.#wakes.get(backend.id)
      return await (flying === undefined ? this.#begin(backend, key, signal) : flying.join(signal))
    } finally {
      this.#room.leave(key)
    }
  }

  #begin(backend: Backend, key: string, signal: AbortSignal): Promise<Backend> {
    const wake = new Wake(this.#context, backend, key, () => this.#remember(backend.id, wake))
    const joined = wake.join(signal)
    this.#wakes.set(backend.id, wake)
    wake.begin(this.#settings.deadlineMs)
    return joined
  }

  #remember(id: string, wake: Wake): void {
    const { failureTtlMs, wokenTtlMs } = this.#settings
    const ttlMs = GatewayError.is(wake.outcome) ? failureTtlMs : wokenTtlMs
    if (this.#closed || ttlMs === 0) {
      this.#wakes.delete(id)
      return
    }
    const cancel = this.#context.clock.after(ttlMs, () => {
      this.#timers.delete(cancel)
      if (this.#wakes.get(id) === wake) this.#wakes.delete(id)
    })
    this.#timers.add(cancel)
  }
}

function checked(name: string, value: number, least: number): number {
  if (value >= least) return value
  throw invalid(`${name}: ${value}`, `is not ${least} or more`)
}
