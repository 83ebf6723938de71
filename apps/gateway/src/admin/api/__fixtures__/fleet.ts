import type { GatewayStats } from '@proxy/kernel'
import { SampleStore } from '@proxy/telemetry'
import type { FleetSnapshot, WorkerSnapshot } from '../../snapshot.ts'

/** A worker whose layers say what is given. */
export function workerWith(
  worker: number,
  layers: GatewayStats['layers'],
  more: Partial<GatewayStats> = {},
): WorkerSnapshot {
  const store = new SampleStore()
  store.observe('routeSeconds', ['http'], 3)
  const gateway: GatewayStats = {
    phase: 'open',
    sessions: 2,
    resolver: {},
    layers,
    listeners: [
      {
        name: 'http',
        address: { host: '127.0.0.1', port: 1 },
        protocol: 'http',
        connections: 2,
        accepted: 10,
        refused: 1,
      },
    ],
    ...more,
  }
  const tenants = { alpha: { routes: 10, sessions: 5, bytesFromClient: 100, bytesToClient: 200 } }
  return { worker, pid: 100 + worker, gateway, samples: store.snapshot(), tenants, residentBytes: 1, cpuSeconds: 1 }
}

export const fleetOf = (workers: readonly WorkerSnapshot[]): FleetSnapshot => ({
  phase: 'open',
  uptimeMs: 60_000,
  transport: 'node',
  workers,
  retired: [],
  restarts: 0,
  reloads: { ok: 0, failed: 0 },
  maxTenants: 10,
})
