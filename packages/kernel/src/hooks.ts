import type {
  Address,
  Backend,
  CloseReason,
  Disposer,
  Endpoint,
  RequestTrace,
  SessionOutcome,
  TlsInfo,
} from './contracts.ts'
import type { GatewayError } from './errors.ts'

export interface SessionOpenEvent {
  readonly session: string
  readonly listener: string
  readonly client: Address
}

/** Where the time of a session went, in milliseconds. What did not take place is 0, but for `firstByteMs`. */
export interface SessionTiming {
  /** From accept to the key: what the client took to say whom it is for. */
  readonly clientMs: number
  /** Answers of the resolver, waking not counted. */
  readonly resolveMs: number
  /** Waiting for backends to start. */
  readonly wakeMs: number
  /** Dials. */
  readonly dialMs: number
  /** From the last dial to the backend's first byte; undefined when none came, or the protocol relays by itself. */
  readonly firstByteMs: number | undefined
}

export interface SessionEndEvent {
  readonly session: string
  readonly listener: string
  readonly protocol: string
  readonly client: Address
  /** The key of the last route; undefined when the session was never routed. */
  readonly key: string | undefined
  readonly outcome: SessionOutcome
  readonly reason: CloseReason
  readonly error: GatewayError | undefined
  readonly tls: TlsInfo | undefined
  readonly bytesFromClient: number
  readonly bytesToClient: number
  readonly durationMs: number
  readonly timing: SessionTiming
}

export interface RouteEndEvent {
  readonly session: string
  readonly listener: string
  readonly protocol: string
  readonly key: string
  /** 0 when the answer was known at once. */
  readonly durationMs: number
  /** The part of it that was waiting for a backend to start. */
  readonly wakeMs: number
  readonly backend: Backend | undefined
  readonly error: GatewayError | undefined
}

export interface WakeEvent {
  readonly backend: Backend
  readonly key: string
}

export interface WakeEndEvent extends WakeEvent {
  readonly durationMs: number
  /** What the backend became; absent when the start failed. */
  readonly woken?: Backend | undefined
  readonly error: GatewayError | undefined
}

export interface DialEndEvent {
  readonly session: string | undefined
  readonly listener: string
  readonly protocol: string
  readonly key: string
  readonly backend: Backend
  readonly endpoint: Endpoint
  readonly durationMs: number
  readonly error: GatewayError | undefined
}

/** A tenant of this process became busy (the first session was routed to it) or idle (nobody has used it for `idleMs`). */
export interface TenantActivityEvent {
  readonly key: string
  readonly backend: Backend
  /** 0 for `tenant:busy`. */
  readonly idleMs: number
}

/** An upstream failed after it could be dialled: it broke off, was silent or answered with malformed bytes before the answer. */
export interface UpstreamFaultEvent {
  readonly session: string
  readonly listener: string
  readonly protocol: string
  readonly key: string
  readonly backend: Backend
  readonly endpoint: Endpoint
  readonly error: GatewayError
}

/** An upstream that was dialled has answered: enough to be relayed, or a request. */
export interface UpstreamAnswerEvent {
  readonly session: string
  readonly listener: string
  readonly protocol: string
  readonly key: string
  readonly backend: Backend
  readonly endpoint: Endpoint
}

export interface EndpointHealthEvent {
  readonly backend: Backend
  readonly endpoint: Endpoint
  readonly healthy: boolean
  /** `check`: an active check. `outlier`: what became of real connections. */
  readonly by: 'check' | 'outlier'
  readonly error: GatewayError | undefined
}

export interface CircuitChangeEvent {
  readonly backend: Backend
  readonly endpoint: Endpoint
  readonly state: 'closed' | 'open' | 'half-open'
  /** How long an open circuit stays so; 0 for the other states. */
  readonly openMs: number
}

export interface RelayStartEvent {
  readonly session: string
  readonly listener: string
  readonly protocol: string
  readonly key: string
  readonly backend: Backend
  readonly endpoint: Endpoint
  /** From accept to the start of the relay. */
  readonly setupMs: number
}

/** How far a request came, in milliseconds since its head was read; undefined: it did not come so far. */
export interface RequestTiming {
  /** Its backend was known. 0 over HTTP/1 when that was in the turn that read the head. */
  readonly routedMs: number | undefined
  /** It was given a connection to the backend, new or pooled. */
  readonly upstreamMs: number | undefined
  /** The head of the response came. */
  readonly firstByteMs: number | undefined
}

/** A request of a protocol whose sessions serve many was answered, by its backend or by the gateway. */
export interface RequestEndEvent {
  readonly session: string
  readonly listener: string
  readonly protocol: string
  /** '' when the request named none. */
  readonly key: string
  readonly method: string
  /** Without its query, which may hold secrets; '' when the request could not be read. */
  readonly path: string
  /** 0: the client left before there was one. */
  readonly status: number
  readonly version: '1.0' | '1.1' | '2'
  readonly durationMs: number
  readonly timing: RequestTiming
  /** Of messages, heads included. */
  readonly bytesFromClient: number
  readonly bytesToClient: number
  /** Where it was sent; undefined: nowhere. */
  readonly endpoint: Endpoint | undefined
  /** Why the gateway answered by itself, or broke off. */
  readonly error: GatewayError | undefined
  /** What the protocol's tracer made of the request. */
  readonly trace: RequestTrace | undefined
}

/** Everything that can be observed. Packages add their own by declaration merging; names are `noun:moment`. */
export interface HookMap {
  'gateway:open': { readonly listeners: readonly string[] }
  'gateway:drain': { readonly deadlineMs: number }
  'gateway:close': Record<never, never>
  /** A listener of a hook threw, a protocol threw something that is no GatewayError, accepting failed, ... */
  'gateway:error': { readonly source: string; readonly error: unknown }
  'session:open': SessionOpenEvent
  'session:end': SessionEndEvent
  'route:end': RouteEndEvent
  'route:purge': { readonly key: string }
  'wake:start': WakeEvent
  'wake:end': WakeEndEvent
  'dial:end': DialEndEvent
  'relay:start': RelayStartEvent
  'tenant:busy': TenantActivityEvent
  'tenant:idle': TenantActivityEvent
  'upstream:fault': UpstreamFaultEvent
  'upstream:answer': UpstreamAnswerEvent
  'endpoint:health': EndpointHealthEvent
  'circuit:change': CircuitChangeEvent
  'request:end': RequestEndEvent
}

export type HookName = keyof HookMap
export type HookListener<N extends HookName> = (event: HookMap[N]) => void

/** Synchronous and observe-only: a listener that throws becomes a `gateway:error`, never a failed session. */
export class Hooks {
  readonly #listeners = new Map<string, ((event: never) => void)[]>()

  on<N extends HookName>(name: N, listener: HookListener<N>): Disposer {
    // Copy on write: a listener may leave while an event is being delivered.
    this.#listeners.set(name, [...(this.#listeners.get(name) ?? []), listener])
    return () => this.#remove(name, listener)
  }

  /** False: nobody listens, do not build the payload. */
  has(name: HookName): boolean {
    return this.#listeners.has(name)
  }

  emit<N extends HookName>(name: N, event: HookMap[N]): void {
    const listeners = this.#listeners.get(name)
    if (listeners === undefined) return
    for (let i = 0; i < listeners.length; i++) this.#call(name, listeners[i] as HookListener<N>, event)
  }

  #call<N extends HookName>(name: N, listener: HookListener<N>, event: HookMap[N]): void {
    try {
      listener(event)
    } catch (error) {
      if (name !== 'gateway:error') this.emit('gateway:error', { source: name, error })
    }
  }

  #remove(name: string, listener: (event: never) => void): void {
    const rest = (this.#listeners.get(name) ?? []).filter((other) => other !== listener)
    if (rest.length === 0) this.#listeners.delete(name)
    else this.#listeners.set(name, rest)
  }
}
