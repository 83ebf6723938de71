import { invalid } from '../address.ts'
import { attempt } from '../attempt.ts'
import type {
  Backend,
  Dial,
  Dialled,
  DialRequest,
  Disposer,
  Layer,
  LayerContext,
  Resolve,
  Resolver,
} from '../contracts.ts'
import { GatewayError } from '../errors.ts'
import { isPromise } from '../promise.ts'
import { type TenantUse, TenantUses } from './tenant-uses.ts'

export interface IdleOptions {
  /** How long nobody may have used a tenant for it to be idle. Default 300,000 ms. */
  readonly afterMs?: number | undefined
}

const longestSweepMs = 5_000

/**
 * Says when tenants become busy and idle, and lets the resolver put a backend to `sleep` that no session of this process has used for
 * a while. Name it between `coldStart` and `cache`.
 *
 * A tenant is used when a session is routed to it, and for as long as a connection is open that was dialled for a session: a client's
 * connection that sends no requests keeps nothing awake, a request under way does, however long it takes. What the gateway dials on
 * its own account does not count. Idleness is noticed up to five seconds late, and never early. Throws `PROXY_CONFIG_INVALID`.
 */
export function idle(options: IdleOptions = {}): Layer {
  const { afterMs = 300_000 } = options
  if (!(afterMs >= 1)) throw invalid(`afterMs: ${afterMs}`, 'is not 1 or more')
  let latest: IdleWatch | undefined
  const current = (): IdleWatch => {
    if (latest === undefined) throw new GatewayError('PROXY_INTERNAL')
    return latest
  }
  return {
    name: 'idle',
    setup(context) {
      const watch = watchOf(context.resolver)
      latest = watch
      return watch.hold(context, afterMs)
    },
    resolve: (next) => current().resolve(next),
    dial: (next) => current().dial(next),
    stats: () => latest?.stats() ?? {},
  }
}

/** A reload that keeps the resolver keeps what is known of its tenants: sessions of both configurations use them. */
const watches = new WeakMap<Resolver, IdleWatch>()

function watchOf(resolver: Resolver): IdleWatch {
  const watch = watches.get(resolver) ?? new IdleWatch()
  watches.set(resolver, watch)
  return watch
}

class IdleWatch {
  #uses = new TenantUses()
  #context: LayerContext | undefined = undefined
  #afterMs = 0
  #holders = 0
  #stopSweep: Disposer | undefined = undefined

  /** Until it is disposed of. The options of the latest holder count. */
  hold(context: LayerContext, afterMs: number): Disposer {
    this.#context = context
    this.#afterMs = afterMs
    this.#holders++
    this.#restart()
    const unhook = context.hooks.on('wake:end', ({ backend, woken = backend, key, error }) => {
      // Whom all have left who waited for it is awake as well.
      if (error === undefined) this.#use(woken, key)
    })
    let held = true
    return () => {
      unhook()
      if (held) this.#release()
      held = false
    }
  }

  stats(): Record<string, unknown> {
    const { busy, size } = this.#uses
    return { busy, idle: size - busy }
  }

  resolve(next: Resolve): Resolve {
    return (request, signal) => {
      const answer = next(request, signal)
      if (isPromise(answer)) return this.#usedLater(answer, request.key)
      if (answer.state === 'ready') this.#use(answer, request.key)
      return answer
    }
  }

  dial(next: Dial): Dial {
    return (request, signal) =>
      request.session === undefined ? next(request, signal) : this.#dial(next, request, signal)
  }

  async #usedLater(answer: Promise<Backend>, key: string): Promise<Backend> {
    const backend = await answer
    if (backend.state === 'ready') this.#use(backend, key)
    return backend
  }

  async #dial(next: Dial, request: DialRequest, signal: AbortSignal): Promise<Dialled> {
    const use = this.#use(request.backend, request.key)
    if (use === undefined) return next(request, signal)
    use.dialling++
    try {
      const dialled = await next(request, signal)
      use.connected(dialled.link)
      return dialled
    } finally {
      use.dialling--
      use.used = true
    }
  }

  #use(backend: Backend, key: string): TenantUse | undefined {
    const known = this.#uses.find(backend, key)
    if (known === undefined) return this.#begin(backend, key)
    known.used = true
    return known
  }

  #begin(backend: Backend, key: string): TenantUse | undefined {
    if (this.#context === undefined) return undefined
    const { hooks, clock } = this.#context
    const use = this.#uses.add(backend, key, clock.now())
    if (use?.key === key && hooks.has('tenant:busy')) hooks.emit('tenant:busy', { key, backend, idleMs: 0 })
    this.#start()
    return use
  }

  #start(): void {
    const periodMs = Math.min(this.#afterMs / 4, longestSweepMs)
    this.#stopSweep ??= this.#context?.clock.every(periodMs, () => this.#sweep())
  }

  #restart(): void {
    this.#stop()
    if (this.#uses.size > 0) this.#start()
  }

  #stop(): void {
    this.#stopSweep?.()
    this.#stopSweep = undefined
  }

  #sweep(): void {
    const { hooks, clock } = this.#context as LayerContext
    const now = clock.now()
    const announce = ({ key, usedAt }: TenantUse, backend: Backend): void => {
      if (hooks.has('tenant:idle')) hooks.emit('tenant:idle', { key, backend, idleMs: now - usedAt })
    }
    this.#uses.sweep(now, this.#afterMs, announce, (backend) => this.#sleep(backend))
    if (this.#uses.size === 0) this.#stop()
  }

  #sleep(backend: Backend): void {
    const { hooks, resolver } = this.#context as LayerContext
    const failed = (error: unknown): void => hooks.emit('gateway:error', { source: 'resolver', error })
    attempt(hooks, 'resolver', () => {
      const sleeping = resolver.sleep?.(backend)
      if (isPromise(sleeping)) sleeping.catch(failed)
    })
  }

  #release(): void {
    this.#holders--
    if (this.#holders > 0) return
    this.#stop()
    this.#uses = new TenantUses()
  }
}
