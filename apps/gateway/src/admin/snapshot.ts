import type { GatewayPhase, GatewayStats, ListenerStats } from '@proxy/kernel'
import {
  addLayerCounters,
  addLayers,
  type MetricKey,
  otherTenants,
  type Samples,
  SampleStore,
  type TenantStats,
  TenantTable,
} from '@proxy/telemetry'
import type { TransportName } from '../fleet/transport.ts'

/** What one worker process reports; survives JSON. */
export interface WorkerSnapshot {
  readonly worker: number
  readonly pid: number
  readonly gateway: GatewayStats
  readonly samples: Samples
  readonly tenants: Readonly<Record<string, TenantStats>>
  readonly residentBytes: number
  readonly cpuSeconds: number
}

/** The whole gateway: the sum over its workers, and what only the primary process knows. */
export interface FleetSnapshot {
  readonly phase: GatewayPhase
  readonly uptimeMs: number
  /** What connections are made by. */
  readonly transport: TransportName
  readonly workers: readonly WorkerSnapshot[]
  /** Counters of workers that are gone. */
  readonly retired: readonly Pick<WorkerSnapshot, 'samples' | 'tenants' | 'gateway'>[]
  readonly restarts: number
  readonly reloads: { readonly ok: number; readonly failed: number }
  /** What a resolver says that lives in the primary process, once for all workers; undefined: each has its own. */
  readonly resolver?: Record<string, unknown> | undefined
  /** Which machine of a cluster this is, and which others there are; undefined: it is alone. */
  readonly cluster?: Record<string, unknown> | undefined
  readonly maxTenants: number
}

/** Adds everything up for /metrics. */
export function mergedSamples(fleet: FleetSnapshot): Samples {
  const store = new SampleStore()
  for (const { samples } of fleet.workers) store.merge(samples)
  for (const gone of fleet.retired) addRetired(store, gone)
  for (const listener of mergedListeners(fleet)) addListener(store, listener)
  for (const [tenant, stats] of Object.entries(mergedTenants(fleet))) addTenant(store, tenant, stats)
  for (const worker of fleet.workers) addWorker(store, worker)
  addFleet(store, fleet)
  return store.snapshot()
}

/** What was under way in a process that is gone is gone, too. */
function addRetired(store: SampleStore, { samples, gateway }: FleetSnapshot['retired'][number]): void {
  const { wakesInFlight: _, ...counters } = samples
  store.merge(counters)
  addLayerCounters(store, gateway.layers)
}

function addListener(store: SampleStore, listener: ListenerStats): void {
  store.add('connections', [listener.name], listener.connections)
  store.add('accepted', [listener.name], listener.accepted)
  store.add('refused', [listener.name], listener.refused)
}

function addTenant(store: SampleStore, tenant: string, stats: TenantStats): void {
  store.add('tenantRoutes', [tenant], stats.routes)
  store.add('tenantSessions', [tenant], stats.sessions)
  store.add('tenantBytes', [tenant, 'from_client'], stats.bytesFromClient)
  store.add('tenantBytes', [tenant, 'to_client'], stats.bytesToClient)
}

function addWorker(store: SampleStore, worker: WorkerSnapshot): void {
  addLayers(store, String(worker.worker), worker.gateway.layers)
  store.add('memory', [String(worker.worker)], worker.residentBytes)
  store.add('cpu', [String(worker.worker)], worker.cpuSeconds)
}

function addFleet(store: SampleStore, fleet: FleetSnapshot): void {
  const values: [MetricKey, string[], number][] = [
    ['workers', [], fleet.workers.length],
    ['workerRestarts', [], fleet.restarts],
    ['reloads', ['ok'], fleet.reloads.ok],
    ['reloads', ['failed'], fleet.reloads.failed],
    ['draining', [], fleet.phase === 'draining' ? 1 : 0],
  ]
  for (const [metric, labels, value] of values) store.add(metric, labels, value)
}

/** Listeners by name, summed over the workers. Of workers that are gone the connections are gone too. */
export function mergedListeners(fleet: Pick<FleetSnapshot, 'workers' | 'retired'>): ListenerStats[] {
  const merged = new Map<string, ListenerStats>()
  const add = (listener: ListenerStats, connections: number): void => {
    const sum = merged.get(listener.name)
    merged.set(listener.name, {
      ...listener,
      connections: connections + (sum?.connections ?? 0),
      accepted: listener.accepted + (sum?.accepted ?? 0),
      refused: listener.refused + (sum?.refused ?? 0),
    })
  }
  for (const { gateway } of fleet.workers) for (const listener of gateway.listeners) add(listener, listener.connections)
  for (const { gateway } of fleet.retired) for (const listener of gateway.listeners) add(listener, 0)
  return [...merged.values()]
}

export function mergedTenants(
  fleet: Pick<FleetSnapshot, 'workers' | 'retired' | 'maxTenants'>,
): Record<string, TenantStats> {
  const table = new TenantTable(fleet.maxTenants)
  const sources = [...fleet.workers, ...fleet.retired].map(({ tenants }) => tenants)
  // The busiest keep rows of their own.
  const rows = sources.flatMap((tenants) => Object.entries(tenants))
  for (const [tenant, stats] of rows.toSorted(byRoutes)) table.merge({ [tenant]: stats })
  return table.snapshot()
}

const byRoutes = (a: [string, TenantStats], b: [string, TenantStats]): number =>
  Number(a[0] === otherTenants) - Number(b[0] === otherTenants) || b[1].routes - a[1].routes

/** Numbers are added up, at any depth; of everything else the first counts. */
export function mergedRecords(records: readonly Readonly<Record<string, unknown>>[]): Record<string, unknown> {
  const merged: Record<string, unknown> = {}
  for (const record of records) {
    for (const [key, value] of Object.entries(record)) merged[key] = mergedValue(merged[key], value)
  }
  return merged
}

function mergedValue(sum: unknown, value: unknown): unknown {
  if (typeof value === 'number') return value + (typeof sum === 'number' ? sum : 0)
  if (isRecord(value)) return mergedRecords([isRecord(sum) ? sum : {}, value])
  return sum ?? value
}

const isRecord = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value)
