import {
  type Backend,
  type Clock,
  type Disposer,
  type Metadata,
  type Resolution,
  ResolveError,
  type Resolver,
  type RouteRequest,
  systemClock,
} from '@proxy/kernel'
import { checkedSpec } from './check.ts'
import { OnDemand, type OnDemandEvents } from './on-demand.ts'
import type { BackendSpec, ProcessResolverOptions } from './options.ts'
import { byActivity, reported } from './report.ts'
import { specsOf } from './specs.ts'

// Backends that a function told of are forgotten, while they sleep, beyond so many.
const mostRemembered = 10_000
const mostReported = 200

/**
 * Backends that are processes of this machine, started by the first connection and ended by `sleep`. Unknown names are
 * NOT_FOUND. A process that ends by itself is asleep again; one that keeps doing so, or cannot be started, is UNAVAILABLE for a
 * while, with `retryAfterMs`, longer each time up to a minute.
 *
 * Throws `PROXY_CONFIG_INVALID`.
 */
export function processResolver(options: ProcessResolverOptions): ProcessResolver {
  return new LocalResolver(options, systemClock)
}

/** What more there is to ask of it than of any resolver. */
export interface ProcessResolver extends Resolver {
  sleep(backend: Backend): Promise<void>
  close(): Promise<void>
  /** Ends everything at once and synchronously, as this process exits. */
  kill(): void
}

export class LocalResolver implements ProcessResolver {
  readonly name = 'process'
  readonly placement = 'primary'
  readonly #options: ProcessResolverOptions
  readonly #clock: Clock
  readonly #specOf: (name: string) => BackendSpec | undefined
  readonly #backends = new Map<string, OnDemand>()
  readonly #watchers = new Set<(backendId: string) => void>()
  #closed = false

  constructor(options: ProcessResolverOptions, clock: Clock) {
    this.#options = options
    this.#clock = clock
    this.#specOf = specsOf(options.backends)
    if (typeof options.backends === 'function') return
    // Those that are known are reported from the beginning.
    for (const [name, spec] of Object.entries(options.backends)) this.#add(name, spec)
  }

  resolve(request: RouteRequest): Resolution {
    const { nameOf } = this.#options
    const name = nameOf === undefined ? request.key : nameOf(request)
    const spec = name === undefined ? undefined : this.#specOf(name)
    if (name === undefined || spec === undefined) throw new ResolveError('NOT_FOUND')
    return this.#backend(name, spec).resolution
  }

  async wake({ id }: Backend, signal: AbortSignal): Promise<Resolution> {
    const spec = this.#specOf(id)
    if (spec === undefined) throw new ResolveError('NOT_FOUND')
    if (this.#closed) throw new ResolveError('UNAVAILABLE')
    return this.#backend(id, spec).wake(signal)
  }

  async sleep({ id }: Backend): Promise<void> {
    await this.#backends.get(id)?.sleep()
  }

  watch(changed: (backendId: string) => void): Disposer {
    const watcher = (id: string): void => changed(id)
    this.#watchers.add(watcher)
    return () => void this.#watchers.delete(watcher)
  }

  onConnect(_key: string, metadata: Metadata): void {
    const used = this.#of(metadata)
    if (used !== undefined) used.connections++
  }

  onDisconnect(_key: string, metadata: Metadata): void {
    const used = this.#of(metadata)
    if (used !== undefined && used.connections > 0) used.connections--
  }

  stats(): Record<string, unknown> {
    const all = [...this.#backends.values()]
    const count = (state: OnDemand['state']): number => all.filter((one) => one.state === state).length
    return {
      asleep: count('asleep'),
      waking: count('waking'),
      awake: count('awake'),
      stopping: count('stopping'),
      starts: all.reduce((sum, { starts }) => sum + starts, 0),
      backends: all.toSorted(byActivity).slice(0, mostReported).map(reported),
    }
  }

  async close(): Promise<void> {
    this.#closed = true
    await Promise.all([...this.#backends.values()].map((one) => one.close()))
  }

  kill(): void {
    for (const one of this.#backends.values()) one.kill()
  }

  #of(metadata: Metadata): OnDemand | undefined {
    const name = metadata['process']
    return typeof name === 'string' ? this.#backends.get(name) : undefined
  }

  #backend(name: string, spec: BackendSpec): OnDemand {
    const known = this.#backends.get(name)
    if (known !== undefined) return known
    if (this.#backends.size >= mostRemembered) this.#forgetOne()
    return this.#add(name, checkedSpec(name, spec))
  }

  #add(name: string, spec: BackendSpec): OnDemand {
    const { onOutput } = this.#options
    const events: OnDemandEvents = {
      changed: () => this.#changed(name),
      exited: (_backend, reason) => this.#options.onExit?.(name, reason),
      ...(onOutput && { onLine: (line: string) => onOutput(name, line) }),
    }
    const made = new OnDemand(name, spec, this.#clock, events)
    this.#backends.set(name, made)
    return made
  }

  #changed(id: string): void {
    for (const watcher of this.#watchers) watcher(id)
  }

  #forgetOne(): void {
    for (const [name, { state, connections }] of this.#backends) {
      if (state !== 'asleep' || connections > 0) continue
      void this.#backends.get(name)?.close()
      this.#backends.delete(name)
      return
    }
  }
}
