import type { LiveTenant } from '../../fleet/operations.ts'
import { mergedTenants } from '../snapshot.ts'
import type { Look } from './look.ts'
import type { RateKeeper } from './rates.ts'

export interface TenantView {
  readonly key: string
  readonly protocols: readonly string[]
  /** Open at this moment. */
  readonly connections: number
  /** Routes per second. */
  readonly routeRate: number
  /** Since the gateway started; 0 for one beyond the cap of tenants with a row of their own. */
  readonly routes: number
  readonly sessions: number
  /** Of sessions that ended and of those that are open. */
  readonly bytesFromClient: number
  readonly bytesToClient: number
}

export interface TenantsView {
  /** With a row of their own, before `limit`. */
  readonly total: number
  /** False: so many sessions are open that not all of them were looked at. */
  readonly complete: boolean
  readonly tenants: readonly TenantView[]
}

export type TenantOrder = 'connections' | 'rate'

type Row = { -readonly [Name in keyof TenantView]: TenantView[Name] }

const empty = { connections: 0, routeRate: 0, routes: 0, sessions: 0, bytesFromClient: 0, bytesToClient: 0 }

/** The busiest first. */
export function tenantsOf(look: Look, rates: RateKeeper, order: TenantOrder, limit: number): TenantsView {
  const rows = new Map<string, Row>()
  const rowOf = (key: string): Row => {
    const row = rows.get(key) ?? { key, protocols: [], ...empty }
    rows.set(key, row)
    return row
  }
  for (const [key, stats] of Object.entries(mergedTenants(look.fleet))) {
    Object.assign(rowOf(key), stats, { routeRate: rates.tenant(key) })
  }
  for (const { tenants } of look.live) for (const tenant of tenants) addLive(rowOf(tenant.key), tenant)
  return {
    total: rows.size,
    complete: look.live.every(({ complete }) => complete),
    tenants: [...rows.values()].toSorted(orders[order]).slice(0, limit),
  }
}

function addLive(row: Row, live: LiveTenant): void {
  row.protocols = [...new Set([...row.protocols, ...live.protocols])].toSorted()
  row.connections += live.connections
  row.bytesFromClient += live.bytesFromClient
  row.bytesToClient += live.bytesToClient
}

const orders: Readonly<Record<TenantOrder, (a: Row, b: Row) => number>> = {
  connections: (a, b) => b.connections - a.connections || b.routeRate - a.routeRate || b.routes - a.routes,
  rate: (a, b) => b.routeRate - a.routeRate || b.connections - a.connections || b.routes - a.routes,
}
