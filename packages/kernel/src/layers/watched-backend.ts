import { formatAddress } from '../address.ts'
import type { Backend, DialRequest, Disposer, Endpoint } from '../contracts.ts'
import type { GatewayError } from '../errors.ts'

/** What is known of one endpoint. */
export class WatchedEndpoint {
  readonly owner: WatchedBackend
  readonly address: string
  endpoint: Endpoint
  /** What checks say. */
  serves = true
  /** Checks in a row: above 0 those that succeeded, below those that failed. */
  streak = 0
  lastError: GatewayError | undefined = undefined
  checkedAt: number | undefined = undefined
  latencyMs: number | undefined = undefined
  /** Failures of real connections in a row: dials, and upstreams behind their dial. */
  dials = 0
  faults = 0
  /** Left out because of them. */
  ejected = false
  ejectedForMs = 0
  returnsAt = 0
  stopped = false
  /** Ends the timer or the check that is under way. */
  stopCheck: Disposer | undefined = undefined
  stopEjection: Disposer | undefined = undefined

  constructor(owner: WatchedBackend, endpoint: Endpoint) {
    this.owner = owner
    this.endpoint = endpoint
    this.address = formatAddress(endpoint)
  }

  get healthy(): boolean {
    return this.serves && !this.ejected
  }

  get by(): 'check' | 'outlier' | null {
    if (this.healthy) return null
    return this.serves ? 'outlier' : 'check'
  }

  stop(): void {
    this.stopped = true
    this.stopCheck?.()
    this.stopEjection?.()
  }
}

/** A backend that sessions dial, and what to ask of it. */
export class WatchedBackend {
  backend: Backend
  readonly key: string
  readonly listener: string
  readonly protocol: string
  usedAt = 0
  endpoints: readonly WatchedEndpoint[]

  constructor({ backend, key, listener, protocol }: DialRequest) {
    this.backend = backend
    this.key = key
    this.listener = listener
    this.protocol = protocol
    this.endpoints = backend.endpoints.map((endpoint) => new WatchedEndpoint(this, endpoint))
  }

  get anyHealthy(): boolean {
    return this.endpoints.some(({ healthy }) => healthy)
  }

  find(endpoint: Endpoint): WatchedEndpoint | undefined {
    const same = this.endpoints.find((one) => one.endpoint === endpoint)
    if (same !== undefined) return same
    const address = formatAddress(endpoint)
    return this.endpoints.find((one) => one.address === address)
  }

  /** Takes over what is the same; the endpoints that are new, and those that are gone, are handed back. */
  adopt(backend: Backend): { readonly added: readonly WatchedEndpoint[]; readonly gone: readonly WatchedEndpoint[] } {
    const before = this.endpoints
    this.backend = backend
    this.endpoints = backend.endpoints.map((endpoint) => {
      const known = this.find(endpoint)
      if (known === undefined) return new WatchedEndpoint(this, endpoint)
      known.endpoint = endpoint
      return known
    })
    return {
      added: this.endpoints.filter((one) => !before.includes(one)),
      gone: before.filter((one) => !this.endpoints.includes(one)),
    }
  }
}
