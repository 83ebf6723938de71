import { disposeAll } from '../attempt.ts'
import type { Backend, Dial, Dialled, DialRequest, Disposer, Endpoint, LayerContext } from '../contracts.ts'
import { GatewayError } from '../errors.ts'
import { blamesEndpoint } from './blame.ts'
import { WatchedBackend, type WatchedEndpoint } from './watched-backend.ts'

/** A backend that nobody has dialled for so long is not checked any more. */
const inUseMs = 60_000
const longestEjectionMs = 300_000
const mostInStats = 200

export interface HealthSettings {
  readonly intervalMs: number
  readonly timeoutMs: number
  readonly rise: number
  readonly fall: number
  readonly singleEndpoints: boolean
  readonly maxEndpoints: number
  readonly ejectAfter: number
  readonly ejectMs: number
  readonly maxEjectedShare: number
}

/** Which endpoints of the backends in use serve. */
export class HealthChecks {
  readonly #settings: HealthSettings
  readonly #context: LayerContext
  /** By backend id. */
  readonly #watched = new Map<string, WatchedBackend>()
  #endpoints = 0
  /** Those that have faults to be forgiven by an answer, and the ear for it. */
  readonly #suspects = new Set<WatchedEndpoint>()
  #stopHearing: Disposer | undefined

  constructor(settings: HealthSettings, context: LayerContext) {
    this.#settings = settings
    this.#context = context
  }

  watch(): Disposer {
    const { hooks } = this.#context
    const disposers = [
      hooks.on('upstream:fault', ({ backend, endpoint, error }) => this.#fault(backend, endpoint, error)),
      hooks.on('tenant:idle', ({ backend }) => this.#forget(backend.id)),
      hooks.on('wake:end', ({ backend, woken, error }) => {
        if (error !== undefined) return
        this.#forget(backend.id)
        if (woken !== undefined) this.#forget(woken.id)
      }),
    ]
    return () => {
      disposeAll(hooks, disposers)
      for (const { endpoints } of this.#watched.values()) for (const one of endpoints) one.stop()
      this.#watched.clear()
      this.#stopHearing?.()
    }
  }

  /** The backend of a dial, if it is one that is watched. */
  use(request: DialRequest): WatchedBackend | undefined {
    const { backend } = request
    if (backend.endpoints.length === 1 && !this.#settings.singleEndpoints) return undefined
    const known = this.#watched.get(backend.id)
    const watched = known ?? this.#begin(request)
    if (watched === undefined) return undefined
    if (watched.backend !== backend) this.#adopt(watched, backend)
    watched.usedAt = this.#context.clock.now()
    return watched
  }

  async dial(next: Dial, request: DialRequest, signal: AbortSignal, watched: WatchedBackend): Promise<Dialled> {
    const one = watched.find(request.endpoint)
    if (one !== undefined && !one.healthy && watched.anyHealthy) throw this.#refusal(one)
    try {
      const dialled = await next(request, signal)
      if (one !== undefined) one.dials = 0
      return dialled
    } catch (error) {
      if (one !== undefined && !signal.aborted && blamesEndpoint(error)) {
        one.dials++
        this.#suspect(one, error)
      }
      throw error
    }
  }

  stats(): Record<string, unknown> {
    const now = this.#context.clock.now()
    const all = [...this.#watched.values()].flatMap(({ endpoints }) => endpoints)
    const sorted = all.toSorted((a, b) => Number(a.healthy) - Number(b.healthy))
    return {
      endpoints: sorted.slice(0, mostInStats).map((one) => ({
        backend: one.owner.backend.id,
        endpoint: one.address,
        healthy: one.healthy,
        by: one.by,
        lastError: one.lastError?.code ?? null,
        checkedMsAgo: one.checkedAt === undefined ? null : Math.round(now - one.checkedAt),
        latencyMs: one.latencyMs ?? null,
      })),
    }
  }

  #refusal({ ejected, returnsAt }: WatchedEndpoint): GatewayError {
    const leftMs = Math.ceil(returnsAt - this.#context.clock.now())
    const retryAfterMs = ejected && leftMs > 0 ? leftMs : this.#settings.intervalMs
    return new GatewayError('PROXY_BACKEND_UNHEALTHY', { retryAfterMs })
  }

  // ---- who is watched ---------------------------------------------------------------------------------------

  #begin(request: DialRequest): WatchedBackend | undefined {
    const { id, endpoints } = request.backend
    if (this.#endpoints + endpoints.length > this.#settings.maxEndpoints) return undefined
    const watched = new WatchedBackend(request)
    this.#watched.set(id, watched)
    this.#start(watched.endpoints)
    return watched
  }

  #adopt(watched: WatchedBackend, backend: Backend): void {
    const { added, gone } = watched.adopt(backend)
    this.#start(added)
    this.#stop(gone)
  }

  #forget(backendId: string): void {
    const watched = this.#watched.get(backendId)
    if (watched === undefined) return
    this.#watched.delete(backendId)
    this.#stop(watched.endpoints)
  }

  #start(endpoints: readonly WatchedEndpoint[]): void {
    this.#endpoints += endpoints.length
    for (const one of endpoints) this.#schedule(one, Math.random() * this.#settings.intervalMs)
  }

  /** Nothing is known of them from here on, so nothing speaks against them. */
  #stop(endpoints: readonly WatchedEndpoint[]): void {
    this.#endpoints -= endpoints.length
    for (const one of endpoints) {
      const { healthy, by } = one
      one.stop()
      this.#forgive(one)
      if (!healthy && by !== null) this.#announce(one, true, by, undefined)
    }
  }

  // ---- checks -----------------------------------------------------------------------------------------------

  #schedule(one: WatchedEndpoint, delayMs: number): void {
    one.stopCheck = this.#context.clock.after(delayMs, () => void this.#check(one))
  }

  async #check(one: WatchedEndpoint): Promise<void> {
    const { clock } = this.#context
    const { intervalMs } = this.#settings
    const startedAt = clock.now()
    if (startedAt - one.owner.usedAt > inUseMs) return this.#forget(one.owner.backend.id)
    const error = await this.#probe(one)
    if (one.stopped) return
    one.checkedAt = clock.now()
    one.lastError = error
    if (error === undefined) one.latencyMs = Math.round(one.checkedAt - startedAt)
    if (error === undefined || blamesEndpoint(error)) this.#judge(one, error)
    this.#schedule(one, intervalMs * (0.9 + Math.random() / 5))
  }

  async #probe(one: WatchedEndpoint): Promise<GatewayError | undefined> {
    const stop = new AbortController()
    const { backend, key, listener, protocol } = one.owner
    const { endpoint } = one
    one.stopCheck = () => stop.abort(new GatewayError('PROXY_DRAINING'))
    const late = (): void => stop.abort(new GatewayError('PROXY_BACKEND_TIMEOUT'))
    const cancel = this.#context.clock.after(this.#settings.timeoutMs, late)
    try {
      await this.#context.probe({ backend, endpoint, key, listener, protocol }, stop.signal)
      return undefined
    } catch (error) {
      return GatewayError.from(error)
    } finally {
      cancel()
    }
  }

  #judge(one: WatchedEndpoint, error: GatewayError | undefined): void {
    const { rise, fall } = this.#settings
    one.streak = error === undefined ? Math.max(0, one.streak) + 1 : Math.min(0, one.streak) - 1
    const serves = one.serves ? one.streak > -fall : one.streak >= rise
    if (serves === one.serves) return
    const { healthy } = one
    one.serves = serves
    if (one.healthy !== healthy) this.#announce(one, one.healthy, 'check', error)
  }

  // ---- real connections -------------------------------------------------------------------------------------

  #fault(backend: Backend, endpoint: Endpoint, error: GatewayError): void {
    const one = this.#watched.get(backend.id)?.find(endpoint)
    if (one === undefined) return
    one.faults++
    this.#suspects.add(one)
    this.#stopHearing ??= this.#context.hooks.on('upstream:answer', (event) =>
      this.#answer(event.backend, event.endpoint),
    )
    this.#suspect(one, error)
  }

  #answer(backend: Backend, endpoint: Endpoint): void {
    const one = this.#watched.get(backend.id)?.find(endpoint)
    if (one !== undefined) this.#forgive(one)
  }

  #forgive(one: WatchedEndpoint): void {
    one.faults = 0
    this.#suspects.delete(one)
    if (this.#suspects.size > 0) return
    this.#stopHearing?.()
    this.#stopHearing = undefined
  }

  #suspect(one: WatchedEndpoint, error: GatewayError): void {
    if (!one.healthy || Math.max(one.dials, one.faults) < this.#settings.ejectAfter) return
    const { endpoints } = one.owner
    const unhealthy = endpoints.filter(({ healthy }) => !healthy).length
    const most = Math.min(Math.floor(endpoints.length * this.#settings.maxEjectedShare), endpoints.length - 1)
    if (unhealthy < most) this.#eject(one, error)
  }

  /** One that has been back for as long as it was out begins anew. */
  #eject(one: WatchedEndpoint, error: GatewayError): void {
    const { clock } = this.#context
    const relapse = one.ejectedForMs > 0 && clock.now() - one.returnsAt < one.ejectedForMs
    const forMs = relapse ? Math.min(longestEjectionMs, 2 * one.ejectedForMs) : this.#settings.ejectMs
    one.ejected = true
    one.ejectedForMs = forMs
    one.returnsAt = clock.now() + forMs
    one.lastError = error
    one.stopEjection = clock.after(forMs, () => this.#return(one))
    this.#announce(one, false, 'outlier', error)
  }

  #return(one: WatchedEndpoint): void {
    one.ejected = false
    one.dials = 0
    this.#forgive(one)
    if (one.healthy) this.#announce(one, true, 'outlier', undefined)
  }

  #announce(one: WatchedEndpoint, healthy: boolean, by: 'check' | 'outlier', error: GatewayError | undefined): void {
    const { hooks } = this.#context
    if (!hooks.has('endpoint:health')) return
    hooks.emit('endpoint:health', { backend: one.owner.backend, endpoint: one.endpoint, healthy, by, error })
  }
}
