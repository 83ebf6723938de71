import { type Backend, backend, type Clock, ResolveError } from '@proxy/kernel'
import type { LocalServer } from './local-server.ts'
import { LocalProcess } from './local-process.ts'
import type { BackendSpec } from './options.ts'
import { RestartDelay } from './restart-delay.ts'

export type OnDemandState = 'asleep' | 'waking' | 'awake' | 'stopping'

export interface OnDemandEvents {
  /** Its route is another one now. */
  readonly changed: (backend: OnDemand) => void
  /** It ended although nobody stopped it. */
  readonly exited: (backend: OnDemand, reason: string) => void
  readonly onLine?: ((line: string) => void) | undefined
}

const defaultStartTimeoutMs = 60_000

/** One backend, which runs while somebody needs it. */
export class OnDemand {
  readonly name: string
  /** Sessions that are routed to it. */
  connections = 0
  starts = 0
  spec: BackendSpec
  readonly #clock: Clock
  readonly #events: OnDemandEvents
  readonly #delay: RestartDelay
  #server: LocalServer | undefined
  #state: OnDemandState = 'asleep'
  #since: number
  #resolution: Backend | undefined
  #endpoint = ''
  #starting: { readonly done: Promise<string>; readonly abort: AbortController } | undefined
  #stopping: Promise<void> | undefined
  #closed = false

  constructor(name: string, spec: BackendSpec, clock: Clock, events: OnDemandEvents) {
    this.name = name
    this.spec = spec
    this.#clock = clock
    this.#events = events
    this.#delay = new RestartDelay(clock)
    this.#since = clock.now()
  }

  get state(): OnDemandState {
    return this.#state
  }

  get sinceMs(): number {
    return Math.round(this.#clock.now() - this.#since)
  }

  /** What a resolver answers for it. */
  get resolution(): Backend {
    return (this.#resolution ??= this.#resolve())
  }

  /** Starts it unless it runs, and settles with its resolution. Any number of callers share one start. */
  async wake(signal: AbortSignal): Promise<Backend> {
    if (this.#state !== 'awake') await unlessAborted(this.#start(), signal)
    return this.resolution
  }

  /** Ends it in order. */
  sleep(): Promise<void> {
    return this.#state === 'awake' ? this.#stop() : (this.#stopping ?? Promise.resolve())
  }

  async close(): Promise<void> {
    this.#closed = true
    this.#starting?.abort.abort(new ResolveError('UNAVAILABLE'))
    await this.#starting?.done.catch(() => undefined)
    await this.#stopping
    if (this.#state === 'awake') await this.#stop()
    await this.#server?.dispose?.()
  }

  /** Ends it at once and synchronously. */
  kill(): void {
    this.#server?.kill()
  }

  #start(): Promise<string> {
    if (this.#starting !== undefined) return this.#starting.done
    const abort = new AbortController()
    const done = this.#begin(abort).finally(() => (this.#starting = undefined))
    this.#starting = { done, abort }
    return done
  }

  async #begin(abort: AbortController): Promise<string> {
    await this.#stopping
    const { leftMs } = this.#delay
    if (this.#closed) throw new ResolveError('UNAVAILABLE')
    if (leftMs > 0) throw new ResolveError('UNAVAILABLE', { retryAfterMs: Math.ceil(leftMs) })
    this.#enter('waking')
    const timeout = new ResolveError('TIMEOUT', { cause: new Error(`${this.name} did not start in time`) })
    const cancel = this.#clock.after(this.spec.startTimeoutMs ?? defaultStartTimeoutMs, () => abort.abort(timeout))
    try {
      this.starts++
      this.#endpoint = await this.#made.start(abort.signal)
      this.#enter('awake')
      return this.#endpoint
    } catch (error) {
      throw await this.#failed(error)
    } finally {
      cancel()
    }
  }

  async #failed(cause: unknown): Promise<unknown> {
    await this.#server?.stop()
    this.#delay.failed(0)
    this.#enter('asleep')
    return cause instanceof ResolveError ? cause : new ResolveError('UNAVAILABLE', { cause })
  }

  /** Routes change before anything ends: who comes now waits, and starts it again. */
  #stop(): Promise<void> {
    this.#enter('stopping')
    this.#delay.reset()
    this.#stopping = (this.#server?.stop() ?? Promise.resolve()).finally(() => {
      this.#stopping = undefined
      this.#enter('asleep')
    })
    return this.#stopping
  }

  get #made(): LocalServer {
    return (this.#server ??= this.#make())
  }

  #make(): LocalServer {
    const gone = (reason: string): void => this.#gone(reason)
    const { spec } = this
    return 'server' in spec ? spec.server(gone) : new LocalProcess(spec, { gone, onLine: this.#events.onLine })
  }

  #gone(reason: string): void {
    if (this.#state !== 'awake') return
    this.#delay.failed(this.sinceMs)
    this.#enter('asleep')
    this.#events.exited(this, reason)
  }

  #enter(state: OnDemandState): void {
    const routed = (one: OnDemandState): boolean => one === 'awake'
    const changed = routed(state) !== routed(this.#state)
    this.#state = state
    this.#since = this.#clock.now()
    this.#resolution = undefined
    if (changed) this.#events.changed(this)
  }

  #resolve(): Backend {
    const { spec, name } = this
    const awake = this.#state === 'awake'
    const { timeoutMs, tls, proxyProtocol } = spec
    return backend({
      id: name,
      // Without a port of its own it has none before it runs.
      endpoint: awake ? this.#endpoint : (spec.endpoint ?? '127.0.0.1'),
      state: awake ? 'ready' : 'asleep',
      metadata: { ...spec.metadata, process: name },
      timeoutMs,
      tls,
      proxyProtocol,
    })
  }
}

/** The start goes on for the others, and for whoever tries again. */
function unlessAborted<T>(promise: Promise<T>, signal: AbortSignal): Promise<T> {
  return new Promise((resolve, reject) => {
    const abort = (): void => reject(signal.reason as Error)
    if (signal.aborted) abort()
    else signal.addEventListener('abort', abort, { once: true })
    promise.then(resolve, reject).finally(() => signal.removeEventListener('abort', abort))
  })
}
