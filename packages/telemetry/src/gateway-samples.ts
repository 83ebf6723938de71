import type { GatewayStats } from '@proxy/kernel'
import type { CollectedStats } from './collector.ts'
import { addLayers } from './layer-samples.ts'
import { SampleStore, type Samples } from './samples.ts'

/** The worker of a process that is alone, or that speaks for itself. */
const self = '0'

/** What was counted in this process, and what its gateway says of this moment. */
export function gatewaySamples({ samples, tenants }: CollectedStats, stats: GatewayStats | undefined): Samples {
  const store = new SampleStore()
  store.merge(samples)
  for (const [tenant, row] of Object.entries(tenants)) {
    store.add('tenantRoutes', [tenant], row.routes)
    store.add('tenantSessions', [tenant], row.sessions)
    store.add('tenantBytes', [tenant, 'from_client'], row.bytesFromClient)
    store.add('tenantBytes', [tenant, 'to_client'], row.bytesToClient)
  }
  addProcess(store)
  if (stats !== undefined) addGateway(store, stats)
  return store.snapshot()
}

function addGateway(store: SampleStore, { phase, listeners, layers }: GatewayStats): void {
  for (const { name, connections, accepted, refused } of listeners) {
    store.add('connections', [name], connections)
    store.add('accepted', [name], accepted)
    store.add('refused', [name], refused)
  }
  store.add('draining', [], phase === 'draining' ? 1 : 0)
  addLayers(store, self, layers)
}

function addProcess(store: SampleStore): void {
  const { user, system } = process.cpuUsage()
  store.add('memory', [self], process.memoryUsage.rss())
  store.add('cpu', [self], (user + system) / 1e6)
}
