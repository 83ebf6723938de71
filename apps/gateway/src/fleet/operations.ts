import type { GatewayApi, SessionFilter, SessionStats } from '@proxy/kernel'

/** What one tenant has open in one worker. */
export interface LiveTenant {
  readonly key: string
  readonly protocols: readonly string[]
  readonly connections: number
  readonly bytesFromClient: number
  readonly bytesToClient: number
}

export interface LiveTenants {
  readonly tenants: readonly LiveTenant[]
  /** Bytes of open sessions, both ways, by listener. */
  readonly bytes: Readonly<Record<string, number>>
  /** False: more sessions are open than were looked at. */
  readonly complete: boolean
}

export interface SessionsQuestion {
  readonly filter: SessionFilter
  readonly limit: number
}

type Operation = (gateway: GatewayApi, message: unknown) => unknown

/** Topics that the primary asks its workers about, for its operator. */
export const operateTopics = {
  sessions: 'operate:sessions',
  kill: 'operate:kill',
  purge: 'operate:purge',
  tenants: 'operate:tenants',
} as const

// Looked at once a second at most, and only while somebody watches.
const mostSessions = 20_000
const mostTenants = 1_000

/** What a worker answers; messages and answers survive JSON. */
export const operations: Readonly<Record<string, Operation>> = {
  [operateTopics.sessions]: (gateway, message) => {
    const { filter, limit } = message as SessionsQuestion
    return gateway.sessions(filter, limit)
  },
  [operateTopics.kill]: (gateway, message) => gateway.kill(message as SessionFilter),
  [operateTopics.purge]: (gateway, key) => gateway.purge(key as string),
  [operateTopics.tenants]: (gateway) => liveTenants(gateway.sessions({}, mostSessions)),
}

function liveTenants(sessions: readonly SessionStats[]): LiveTenants {
  const tenants = new Map<string, Omit<LiveTenant, 'protocols'> & { protocols: Set<string>; connections: number }>()
  const bytes = new Map<string, number>()
  for (const { key, listener, protocol, bytesFromClient, bytesToClient } of sessions) {
    bytes.set(listener, (bytes.get(listener) ?? 0) + bytesFromClient + bytesToClient)
    if (key === undefined) continue
    const row = tenants.get(key)
    tenants.set(key, {
      key,
      protocols: (row?.protocols ?? new Set()).add(protocol),
      connections: (row?.connections ?? 0) + 1,
      bytesFromClient: (row?.bytesFromClient ?? 0) + bytesFromClient,
      bytesToClient: (row?.bytesToClient ?? 0) + bytesToClient,
    })
  }
  const rows = [...tenants.values()].toSorted((a, b) => b.connections - a.connections).slice(0, mostTenants)
  return {
    tenants: rows.map((row) => ({ ...row, protocols: [...row.protocols] })),
    bytes: Object.fromEntries(bytes),
    complete: sessions.length < mostSessions,
  }
}
