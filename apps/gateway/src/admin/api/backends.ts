import type { FleetSnapshot } from '../snapshot.ts'
import { type Json, numberOrNull, recordOf, recordsOf, textOf, textOrNull } from './json.ts'

export interface BackendView {
  readonly backend: string
  readonly key: string | null
  /** `asleep`, `waking`, `awake`, `stopping`, as the resolver calls it. */
  readonly state: string
  /** Since when it is so. */
  readonly sinceMs: number | null
  readonly starts: number | null
  readonly connections: number | null
}

const mostRows = 200

/** What the resolver says of backends that it starts and stops: `stats().backends`, at any depth of resolvers in resolvers. */
export function backendsOf(fleet: FleetSnapshot): { readonly backends: readonly BackendView[] } {
  const rows = new Map<string, BackendView>()
  const resolvers =
    fleet.resolver === undefined ? fleet.workers.map(({ gateway }) => gateway.resolver) : [fleet.resolver]
  for (const resolver of resolvers) {
    for (const row of rowsIn(recordOf(resolver), 0)) if (!rows.has(row.backend)) rows.set(row.backend, row)
  }
  return { backends: [...rows.values()].slice(0, mostRows) }
}

const deepest = 3

function rowsIn(stats: Json, depth: number): BackendView[] {
  const own = recordsOf(stats['backends']).map(viewOf)
  if (depth === deepest) return own
  return [...own, ...Object.values(stats).flatMap((value) => rowsIn(recordOf(value), depth + 1))]
}

const viewOf = (row: Json): BackendView => ({
  backend: textOf(row['backend'] ?? row['id'] ?? row['name']),
  key: textOrNull(row['key']),
  state: textOf(row['state']),
  sinceMs: numberOrNull(row['sinceMs']),
  starts: numberOrNull(row['starts']),
  connections: numberOrNull(row['connections']),
})
