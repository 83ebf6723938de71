import { type FleetSnapshot, mergedListeners, mergedRecords, mergedTenants } from './snapshot.ts'

/** The body of /stats. */
export function statsOf(fleet: FleetSnapshot): Record<string, unknown> {
  return {
    phase: fleet.phase,
    uptimeMs: Math.round(fleet.uptimeMs),
    transport: fleet.transport,
    sessions: fleet.workers.reduce((sum, { gateway }) => sum + gateway.sessions, 0),
    restarts: fleet.restarts,
    reloads: fleet.reloads,
    listeners: mergedListeners(fleet),
    tenants: mergedTenants(fleet),
    resolver: fleet.resolver ?? mergedRecords(fleet.workers.map(({ gateway }) => gateway.resolver)),
    ...(fleet.cluster !== undefined && { cluster: fleet.cluster }),
    workers: fleet.workers.map(({ worker, pid, gateway, residentBytes, cpuSeconds }) => ({
      worker,
      pid,
      phase: gateway.phase,
      sessions: gateway.sessions,
      residentBytes,
      cpuSeconds,
    })),
  }
}
