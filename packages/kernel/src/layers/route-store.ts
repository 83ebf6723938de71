import type { Backend } from '../contracts.ts'

/** An answer of the resolver: a backend, or the error instead. */
export interface StoredRoute {
  /** What the answer is stored under; tells apart all requests that may be answered differently. */
  readonly slot: string
  readonly key: string
  readonly backend: Backend | undefined
  readonly error: unknown
  readonly expiresAt: number
  /** Looked up since it was stored, or since eviction last passed it over. */
  used: boolean
}

/**
 * A bounded store of routes that can be forgotten by key and by backend. When it is full, the oldest route that nobody
 * looked up goes first: a scan over unknown names does not push out the tenants in use.
 */
export class RouteStore {
  readonly #maxEntries: number
  readonly #routes = new Map<string, StoredRoute>()
  readonly #byKey = new Index()
  readonly #byBackend = new Index()

  constructor(maxEntries: number) {
    this.#maxEntries = maxEntries
  }

  get size(): number {
    return this.#routes.size
  }

  get(slot: string, now: number): StoredRoute | undefined {
    const route = this.#routes.get(slot)
    if (route === undefined) return undefined
    if (route.expiresAt <= now) {
      this.#forget(route)
      return undefined
    }
    route.used = true
    return route
  }

  set(route: StoredRoute): void {
    const before = this.#routes.get(route.slot)
    if (before !== undefined) this.#forget(before)
    else if (this.#routes.size >= this.#maxEntries) this.#evict()
    this.#routes.set(route.slot, route)
    this.#byKey.add(route.key, route)
    if (route.backend !== undefined) this.#byBackend.add(route.backend.id, route)
  }

  forgetKey(key: string): void {
    for (const route of this.#byKey.get(key)) this.#forget(route)
  }

  forgetBackend(id: string): void {
    for (const route of this.#byBackend.get(id)) this.#forget(route)
  }

  #forget(route: StoredRoute): void {
    this.#routes.delete(route.slot)
    this.#byKey.delete(route.key, route)
    if (route.backend !== undefined) this.#byBackend.delete(route.backend.id, route)
  }

  #evict(): void {
    for (const route of this.#routes.values()) {
      if (!route.used) return this.#forget(route)
      route.used = false
      // To the end of the order, as if it had been stored just now.
      this.#routes.delete(route.slot)
      this.#routes.set(route.slot, route)
    }
  }
}

class Index {
  readonly #sets = new Map<string, Set<StoredRoute>>()

  get(name: string): readonly StoredRoute[] {
    return [...(this.#sets.get(name) ?? [])]
  }

  add(name: string, route: StoredRoute): void {
    const set = this.#sets.get(name)
    if (set === undefined) this.#sets.set(name, new Set([route]))
    else set.add(route)
  }

  delete(name: string, route: StoredRoute): void {
    const set = this.#sets.get(name)
    set?.delete(route)
    if (set?.size === 0) this.#sets.delete(name)
  }
}
