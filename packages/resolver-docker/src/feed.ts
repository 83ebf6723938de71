import { setTimeout as delay } from 'node:timers/promises'
import { GatewayError, ResolveError } from '@proxy/kernel'
import type { Engine } from './engine.ts'
import type { Roster } from './roster.ts'

const FIRST_PAUSE_MS = 100
const LONGEST_PAUSE_MS = 5_000
// Health checks make events of their own all the time; these are not asked for.
const EVENTS = ['create', 'start', 'die', 'pause', 'unpause', 'destroy', 'rename', 'health_status']

/** Keeps a roster like the engine's by its events, and comes back when the engine was away. */
export class Feed {
  readonly #engine: Engine
  readonly #roster: Roster
  readonly #label: string | undefined
  readonly #closing = new AbortController()
  #running: Promise<void> | undefined
  #first = handled(Promise.withResolvers<void>())
  #live = false
  #reconnects = 0
  #error: unknown

  /** Only containers with `label`; all of them without it. */
  constructor(engine: Engine, roster: Roster, label: string | undefined) {
    this.#engine = engine
    this.#roster = roster
    this.#label = label
  }

  /** The roster is what the engine has at this moment. */
  get live(): boolean {
    return this.#live
  }

  get error(): unknown {
    return this.#error
  }

  get reconnects(): number {
    return this.#reconnects
  }

  /** Settles when the roster was filled once. Rejects with a `ResolveError` when the latest attempt to do so failed. */
  started(): Promise<void> {
    if (this.#closing.signal.aborted) return Promise.reject(closed())
    this.#running ??= this.#run()
    return this.#first.promise
  }

  async close(): Promise<void> {
    this.#closing.abort(closed())
    this.#first.reject(closed())
    await this.#running
  }

  async #run(): Promise<void> {
    const { signal } = this.#closing
    for (let failures = 0; !signal.aborted; failures++) {
      const before = this.#reconnects
      if (failures > 0 && before === 0) this.#first = handled(Promise.withResolvers<void>())
      await this.#follow(signal).catch((error: unknown) => this.#lost(error))
      if (this.#reconnects > before) failures = 0
      if (signal.aborted) return
      const pauseMs = Math.min(LONGEST_PAUSE_MS, FIRST_PAUSE_MS * 2 ** Math.min(failures, 10))
      await delay(pauseMs * (0.5 + Math.random() / 2), undefined, { signal, ref: false }).catch(() => undefined)
    }
  }

  async #follow(closing: AbortSignal): Promise<void> {
    const attempt = new AbortController()
    const signal = AbortSignal.any([closing, attempt.signal])
    try {
      await this.#engine.negotiate(signal)
      // Listens first, so that nothing that happens while the list is under way is missed.
      const events = await this.#engine.events(this.#filters(), signal)
      this.#roster.replace(await this.#engine.list(this.#label, signal))
      this.#found()
      for await (const event of events) this.#roster.apply(event)
      throw new Error('the stream of events ended')
    } finally {
      attempt.abort()
    }
  }

  #filters(): Record<string, readonly string[]> {
    const filters = { type: ['container'], event: EVENTS }
    return this.#label === undefined ? filters : { ...filters, label: [this.#label] }
  }

  #found(): void {
    this.#live = true
    this.#error = undefined
    this.#reconnects++
    this.#first.resolve()
  }

  #lost(error: unknown): void {
    this.#live = false
    this.#error = error
    this.#first.reject(GatewayError.is(error) ? error : new ResolveError('UNAVAILABLE', { cause: error }))
  }
}

/** Whoever waits sees the rejection; when nobody does it is no error of the process. */
function handled<T extends { readonly promise: Promise<unknown> }>(resolvers: T): T {
  resolvers.promise.catch(() => undefined)
  return resolvers
}

const closed = (): ResolveError => new ResolveError('UNAVAILABLE', { cause: new Error('the resolver is closed') })
