/** What one tenant did since the process started. */
export interface TenantStats {
  /** Routes that led to it. */
  routes: number
  /** Sessions that ended and were last routed to it. */
  sessions: number
  bytesFromClient: number
  bytesToClient: number
}

/** Stands for the tenants beyond the cap. */
export const otherTenants = '__other__'

/** Counts by tenant, bounded: the first `maxTenants` have a row of their own, the others share one. */
export class TenantTable {
  readonly #rows = new Map<string, TenantStats>()
  readonly #maxTenants: number

  constructor(maxTenants: number) {
    this.#maxTenants = maxTenants
  }

  route(tenant: string): void {
    this.#row(tenant).routes++
  }

  /** Of a tenant that was never routed to nothing is counted: whoever invents names cannot fill the table. */
  session(tenant: string, bytesFromClient: number, bytesToClient: number): void {
    const row = this.#rows.get(tenant) ?? this.#rows.get(otherTenants)
    if (row === undefined) return
    row.sessions++
    row.bytesFromClient += bytesFromClient
    row.bytesToClient += bytesToClient
  }

  merge(tenants: Readonly<Record<string, TenantStats>>): void {
    for (const [tenant, from] of Object.entries(tenants)) {
      const row = this.#row(tenant)
      row.routes += from.routes
      row.sessions += from.sessions
      row.bytesFromClient += from.bytesFromClient
      row.bytesToClient += from.bytesToClient
    }
  }

  snapshot(): Record<string, TenantStats> {
    return Object.fromEntries(this.#rows)
  }

  #row(tenant: string): TenantStats {
    const known = this.#rows.get(tenant)
    if (known !== undefined) return known
    const full = this.#rows.size >= this.#maxTenants && tenant !== otherTenants
    return full ? this.#row(otherTenants) : this.#insert(tenant)
  }

  #insert(tenant: string): TenantStats {
    const row: TenantStats = { routes: 0, sessions: 0, bytesFromClient: 0, bytesToClient: 0 }
    this.#rows.set(tenant, row)
    return row
  }
}
