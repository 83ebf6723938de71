import { isDeepStrictEqual } from 'node:util'
import { type Backend, type Clock, type Disposer, GatewayError, ResolveError } from '@proxy/kernel'
import { type Answer, type ControlPlane, errorOf } from './control-plane.ts'
import { Entries } from './entries.ts'
import { Entry } from './entry.ts'
import { type Freshness, freshnessOf, textOf } from './freshness.ts'
import { backendOf } from './record.ts'
import type { Settings } from './settings.ts'

type Outcome = Backend | GatewayError

// Of a tenant that is unavailable the control plane is not asked again too soon, nor too late.
const longestRetryMs = 30_000
const mostPending = 1_000

/** Asks once for any number who want to know the same, and remembers what was answered. */
export class Lookups {
  readonly entries: Entries
  readonly #settings: Settings
  readonly #plane: ControlPlane
  readonly #clock: Clock
  readonly #pending = new Map<string, Promise<Outcome>>()
  readonly #watchers = new Set<(backendId: string) => void>()
  readonly #counts = { hits: 0, negativeHits: 0, staleHits: 0, requests: 0, unchanged: 0, failures: 0 }

  constructor(settings: Settings, plane: ControlPlane, clock: Clock) {
    this.#settings = settings
    this.#plane = plane
    this.#clock = clock
    this.entries = new Entries(settings.maxEntries)
  }

  resolve(url: string, key: string, signal: AbortSignal): Backend | Promise<Backend> {
    const entry = this.entries.get(url)
    const now = this.#clock.now()
    if (entry?.isFresh(now) === true) return this.#hit(entry)
    if (entry?.mayBeUsedMeanwhile(now) !== true) return this.#wait(url, key, signal)
    this.#counts.staleHits++
    // It fails for nobody, and is tried again by the next one.
    void this.#ask(url, key)
    return settled(entry.outcome)
  }

  watch(changed: (backendId: string) => void): Disposer {
    const watcher = (id: string): void => changed(id)
    this.#watchers.add(watcher)
    return () => void this.#watchers.delete(watcher)
  }

  /** The route of a backend is not what it was. */
  forget(id: string): void {
    this.entries.forgetBackend(id)
    for (const watcher of this.#watchers) watcher(id)
  }

  stats(): Record<string, unknown> {
    return { entries: this.entries.size, pending: this.#pending.size, ...this.#counts }
  }

  #hit({ outcome }: Entry): Backend {
    if (GatewayError.is(outcome)) this.#counts.negativeHits++
    else this.#counts.hits++
    return settled(outcome)
  }

  async #wait(url: string, key: string, signal: AbortSignal): Promise<Backend> {
    return settled(await unlessAborted(this.#ask(url, key), signal))
  }

  /** Never rejects: nobody may be waiting. */
  #ask(url: string, key: string): Promise<Outcome> {
    const pending = this.#pending.get(url)
    if (pending !== undefined) return pending
    if (this.#pending.size >= mostPending)
      return Promise.resolve(new ResolveError('UNAVAILABLE', { retryAfterMs: 1_000 }))
    const asked = this.#fetch(url, key).finally(() => this.#pending.delete(url))
    this.#pending.set(url, asked)
    return asked
  }

  async #fetch(url: string, key: string): Promise<Outcome> {
    const before = this.entries.get(url)
    this.#counts.requests++
    try {
      return this.#take(url, key, before, await this.#plane.get(url, before?.etag))
    } catch (error) {
      return this.#failed(before, GatewayError.from(error, 'PROXY_RESOLVE_INTERNAL'))
    }
  }

  #take(url: string, key: string, before: Entry | undefined, answer: Answer): Outcome {
    const { ttlMs } = this.#settings
    if (answer.status === 304 && before !== undefined) {
      this.#counts.unchanged++
      return this.#remember(url, before.again(freshnessOf(answer.headers, ttlMs), this.#clock.now()), before, true)
    }
    if (answer.status !== 200) return this.#refused(url, key, before, answer)
    const outcome = parsed(answer.body)
    const freshness = freshnessOf(answer.headers, ttlMs)
    const entry = new Entry(key, outcome, textOf(answer.headers['etag']), freshness, this.#clock.now())
    return this.#remember(url, entry, before, freshness.store)
  }

  #refused(url: string, key: string, before: Entry | undefined, answer: Answer): Outcome {
    const error = errorOf(answer)
    const final = error.kind === 'NOT_FOUND' || error.kind === 'FORBIDDEN'
    if (!final && before?.mayBeUsedInstead(this.#clock.now()) === true) return this.#failed(before, error)
    if (!final) this.#counts.failures++
    const freshness = final ? freshnessOf(answer.headers, this.#settings.negativeTtlMs) : until(error.retryAfterMs)
    return this.#remember(url, new Entry(key, error, undefined, freshness, this.#clock.now()), before, freshness.store)
  }

  #remember(url: string, entry: Entry, before: Entry | undefined, store: boolean): Outcome {
    if (store) this.entries.set(url, entry)
    else this.entries.delete(url)
    const known = before?.outcome
    if (known !== undefined && !GatewayError.is(known) && !isDeepStrictEqual(known, entry.outcome)) {
      for (const watcher of this.#watchers) watcher(known.id)
    }
    return entry.outcome
  }

  #failed(before: Entry | undefined, error: GatewayError): Outcome {
    this.#counts.failures++
    if (before?.mayBeUsedInstead(this.#clock.now()) !== true) return error
    this.#counts.staleHits++
    return before.outcome
  }
}

/** Throws the outcome when it is an error. */
function settled(outcome: Outcome): Backend {
  if (GatewayError.is(outcome)) throw outcome
  return outcome
}

function parsed(body: string): Backend {
  try {
    return backendOf(body)
  } catch (cause) {
    throw new ResolveError('INTERNAL', { cause })
  }
}

const until = (retryAfterMs = 0): Freshness => ({
  store: retryAfterMs > 0,
  freshMs: Math.min(longestRetryMs, retryAfterMs),
  staleMs: 0,
  staleOnErrorMs: 0,
})

function unlessAborted<T>(promise: Promise<T>, signal: AbortSignal): Promise<T> {
  return new Promise((resolve, reject) => {
    const abort = (): void => reject(signal.reason as Error)
    if (signal.aborted) abort()
    else signal.addEventListener('abort', abort, { once: true })
    promise.then(resolve, reject).finally(() => signal.removeEventListener('abort', abort))
  })
}
