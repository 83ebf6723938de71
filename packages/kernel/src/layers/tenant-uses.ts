import type { Backend, Link } from '../contracts.ts'

/** Tenants that are told apart; of more, only the backend is known, and of more backends nothing: they are left awake. */
const MAX_TENANTS = 65_536
/** Closed connections that a tenant may hold before they are looked for. */
const SLACK = 8

/** One key of one backend that is in use, or was of late. */
export class TenantUse {
  readonly key: string
  usedAt: number
  /** Routed to, or dialled for, since the last look. */
  used = true
  dialling = 0
  readonly #links = new Set<Link>()
  #pruneAt = SLACK

  constructor(key: string, now: number) {
    this.key = key
    this.usedAt = now
  }

  get isBusy(): boolean {
    return this.used || this.dialling > 0 || this.#links.size > 0
  }

  /** In use for as long as the connection is open. */
  connected(link: Link): void {
    this.#links.add(link)
    if (this.#links.size < this.#pruneAt) return
    this.#prune()
    this.#pruneAt = this.#links.size * 2 + SLACK
  }

  /** Takes note of what has happened since the last look. What ended in between has ended now. */
  look(now: number): void {
    if (this.isBusy) this.usedAt = now
    this.used = false
    this.#prune()
  }

  #prune(): void {
    for (const link of this.#links) if (link.closed) this.#links.delete(link)
  }
}

/** One backend and the keys that lead to it. */
class BackendUse {
  /** As it was resolved last. */
  backend: Backend
  readonly tenants: Map<string, TenantUse> = new Map()

  constructor(backend: Backend) {
    this.backend = backend
  }
}

/** Who uses which backend. Holds nothing of a tenant that nobody has used for long. */
export class TenantUses {
  readonly #backends = new Map<string, BackendUse>()
  #size = 0

  get size(): number {
    return this.#size
  }

  get busy(): number {
    let busy = 0
    for (const { tenants } of this.#backends.values()) for (const use of tenants.values()) if (use.isBusy) busy++
    return busy
  }

  find(backend: Backend, key: string): TenantUse | undefined {
    const found = this.#backends.get(backend.id)
    if (found === undefined) return undefined
    found.backend = backend
    return found.tenants.get(key)
  }

  /** A tenant that is not known yet; undefined when there are too many. */
  add(backend: Backend, key: string, now: number): TenantUse | undefined {
    const found = this.#backends.get(backend.id)
    // Whoever is one too many keeps the backend awake under the name of another.
    if (this.#size >= MAX_TENANTS) return found?.tenants.values().next().value
    const use = found ?? new BackendUse(backend)
    this.#backends.set(backend.id, use)
    const tenant = new TenantUse(key, now)
    use.tenants.set(key, tenant)
    this.#size++
    return tenant
  }

  /** Looks at all; gives those that nobody has used for so long to `idle`, and the backends of which none is left to `asleep`. */
  sweep(
    now: number,
    afterMs: number,
    idle: (tenant: TenantUse, backend: Backend) => void,
    asleep: (backend: Backend) => void,
  ): void {
    for (const [id, { backend, tenants }] of this.#backends) {
      for (const tenant of tenants.values()) {
        tenant.look(now)
        if (now - tenant.usedAt < afterMs) continue
        tenants.delete(tenant.key)
        this.#size--
        idle(tenant, backend)
      }
      if (tenants.size > 0) continue
      this.#backends.delete(id)
      asleep(backend)
    }
  }
}
