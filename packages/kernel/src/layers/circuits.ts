import { formatAddress } from '../address.ts'
import { disposeAll } from '../attempt.ts'
import type { Backend, Dial, Dialled, DialRequest, Disposer, Endpoint, LayerContext } from '../contracts.ts'
import { GatewayError } from '../errors.ts'
import { blamesEndpoint, endpointKey } from './blame.ts'
import { Circuit, type Failure } from './circuit.ts'

/** Endpoints that fail at a time. The one that failed longest ago is forgotten for one more. */
const mostCircuits = 10_000
const mostInStats = 100
/** Who waits for the outcome of a trial comes back after this. */
const trialRetryMs = 1_000

export interface CircuitSettings {
  readonly failures: number
  readonly openMs: number
  readonly maxOpenMs: number
}

/** The circuits of endpoints that have failed lately; of healthy ones nothing is kept. */
export class Circuits {
  readonly #settings: CircuitSettings
  readonly #context: LayerContext
  /** The one that failed longest ago first. */
  readonly #circuits = new Map<string, Circuit>()
  /** By the session that is let through. */
  readonly #trials = new Map<string, Circuit>()
  /** What is heard only while there are circuits. */
  readonly #hearing: Disposer[] = []

  constructor(settings: CircuitSettings, context: LayerContext) {
    this.#settings = settings
    this.#context = context
  }

  watch(): Disposer {
    const { hooks, resolver } = this.#context
    const disposers = [
      hooks.on('upstream:fault', ({ backend, endpoint }) => this.#failed(backend, endpoint, 'faults')),
      hooks.on('wake:end', ({ backend, woken, error }) => {
        if (error !== undefined) return
        this.#forget(backend.id)
        if (woken !== undefined) this.#forget(woken.id)
      }),
    ]
    const unwatch = resolver.watch?.((id) => this.#forget(id))
    if (unwatch !== undefined) disposers.push(unwatch)
    return () => {
      disposeAll(hooks, disposers)
      disposeAll(hooks, this.#hearing)
    }
  }

  async dial(next: Dial, request: DialRequest, session: string, signal: AbortSignal): Promise<Dialled> {
    const circuit = this.#find(request.backend, request.endpoint)
    if (circuit !== undefined) this.#enter(circuit, session)
    try {
      const dialled = await next(request, signal)
      if (circuit !== undefined) this.#succeeded(circuit)
      return dialled
    } catch (error) {
      if (!signal.aborted && blamesEndpoint(error)) this.#failed(request.backend, request.endpoint, 'dials')
      else if (circuit?.trial === session) this.#abandon(circuit)
      throw error
    }
  }

  stats(): Record<string, unknown> {
    const all = [...this.#circuits.values()].filter(({ state }) => state !== 'closed')
    const now = this.#context.clock.now()
    return {
      circuits: all.slice(0, mostInStats).map(({ backend, endpoint, state, failures, until }) => ({
        backend: backend.id,
        endpoint: formatAddress(endpoint),
        state,
        failures,
        retryInMs: state === 'open' ? Math.max(0, Math.ceil(until - now)) : 0,
      })),
      open: all.filter(({ state }) => state === 'open').length,
      halfOpen: all.filter(({ state }) => state === 'half-open').length,
    }
  }

  #find(backend: Backend, endpoint: Endpoint): Circuit | undefined {
    return this.#circuits.size === 0 ? undefined : this.#circuits.get(endpointKey(backend, endpoint))
  }

  /** Throws `PROXY_CIRCUIT_OPEN`. The first to come when the time is up is the trial. */
  #enter(circuit: Circuit, session: string): void {
    if (circuit.state === 'closed') return
    const now = this.#context.clock.now()
    if (now < circuit.until) {
      const retryAfterMs = circuit.state === 'open' ? Math.ceil(circuit.until - now) : trialRetryMs
      throw new GatewayError('PROXY_CIRCUIT_OPEN', { retryAfterMs })
    }
    this.#try(circuit, session)
    // An outcome that never comes must not keep everybody else out for good.
    circuit.until = now + this.#settings.maxOpenMs
    this.#change(circuit, 'half-open', 0)
  }

  /** It could be dialled. Where it failed behind the dial before, only its answer proves anything. */
  #succeeded(circuit: Circuit): void {
    circuit.dials = 0
    if (circuit.state === 'half-open' && circuit.faults < this.#settings.failures) this.#close(circuit)
    else this.#dropIfInnocent(circuit)
  }

  #answered(backend: Backend, endpoint: Endpoint): void {
    const circuit = this.#find(backend, endpoint)
    if (circuit === undefined || circuit.state === 'open') return
    circuit.faults = 0
    if (circuit.state === 'half-open') this.#close(circuit)
    else this.#dropIfInnocent(circuit)
  }

  /** The trial left without an outcome: the next session is one. */
  #abandon(circuit: Circuit): void {
    this.#try(circuit, undefined)
    circuit.until = this.#context.clock.now()
    if (circuit.state === 'half-open') this.#change(circuit, 'open', 0)
  }

  #failed(backend: Backend, endpoint: Endpoint, how: Failure): void {
    const circuit = this.#find(backend, endpoint) ?? this.#add(backend, endpoint)
    const now = this.#context.clock.now()
    if (circuit.state === 'open') return
    // Failures that lie far apart are not in a row, whatever was or was not seen in between.
    if (circuit.state === 'closed' && now - circuit.lastAt > 2 * this.#settings.maxOpenMs) {
      circuit.dials = 0
      circuit.faults = 0
    }
    circuit[how]++
    circuit.lastAt = now
    this.#circuits.delete(circuit.key)
    this.#circuits.set(circuit.key, circuit)
    if (circuit.state === 'half-open' || circuit[how] >= this.#settings.failures) this.#open(circuit, now)
  }

  #open(circuit: Circuit, now: number): void {
    const { openMs, maxOpenMs } = this.#settings
    const longest = Math.min(maxOpenMs, openMs * 2 ** Math.min(circuit.openings, 30))
    // Spread, so that gateways that lost the same backend do not try it in one moment.
    const forMs = longest * (0.5 + Math.random() / 2)
    circuit.openings++
    this.#try(circuit, undefined)
    circuit.until = now + forMs
    this.#change(circuit, 'open', forMs)
  }

  #try(circuit: Circuit, session: string | undefined): void {
    if (circuit.trial !== undefined) this.#trials.delete(circuit.trial)
    circuit.trial = session
    if (session !== undefined) this.#trials.set(session, circuit)
  }

  #close(circuit: Circuit): void {
    this.#try(circuit, undefined)
    this.#drop(circuit)
    if (circuit.state !== 'closed') this.#change(circuit, 'closed', 0)
  }

  #forget(backendId: string): void {
    for (const circuit of this.#circuits.values()) if (circuit.backend.id === backendId) this.#close(circuit)
  }

  #add(backend: Backend, endpoint: Endpoint): Circuit {
    const circuit = new Circuit(endpointKey(backend, endpoint), backend, endpoint)
    if (this.#circuits.size >= mostCircuits)
      for (const oldest of this.#circuits.values()) return this.#replace(oldest, circuit)
    if (this.#circuits.size === 0) this.#hear()
    this.#circuits.set(circuit.key, circuit)
    return circuit
  }

  #replace(oldest: Circuit, circuit: Circuit): Circuit {
    this.#circuits.set(circuit.key, circuit)
    this.#close(oldest)
    return circuit
  }

  #dropIfInnocent(circuit: Circuit): void {
    if (circuit.innocent) this.#drop(circuit)
  }

  #drop(circuit: Circuit): void {
    // Another may have taken its place since.
    if (this.#circuits.get(circuit.key) !== circuit) return
    this.#circuits.delete(circuit.key)
    if (this.#circuits.size === 0) disposeAll(this.#context.hooks, this.#hearing)
  }

  #hear(): void {
    const { hooks } = this.#context
    this.#hearing.push(
      hooks.on('upstream:answer', ({ backend, endpoint }) => this.#answered(backend, endpoint)),
      hooks.on('session:end', ({ session }) => this.#ended(session)),
    )
  }

  #ended(session: string): void {
    const circuit = this.#trials.get(session)
    if (circuit?.trial === session) this.#abandon(circuit)
  }

  #change(circuit: Circuit, state: Circuit['state'], openMs: number): void {
    const { hooks } = this.#context
    if (circuit.state === state) return
    circuit.state = state
    if (!hooks.has('circuit:change')) return
    hooks.emit('circuit:change', { backend: circuit.backend, endpoint: circuit.endpoint, state, openMs })
  }
}
