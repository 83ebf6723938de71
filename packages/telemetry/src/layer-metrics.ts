import type { MetricFacts } from './metrics.ts'

/** Metrics that are read off what the layers say of themselves. */
export type LayerMetricKey =
  | 'coldStartWaiting'
  | 'coldStartBytes'
  | 'tenants'
  | 'cacheLookups'
  | 'cacheEntries'
  | 'circuits'
  | 'circuitChanges'
  | 'endpoints'
  | 'endpointChanges'
  | 'endpointConnections'

export const layerMetrics: Readonly<Record<LayerMetricKey, MetricFacts>> = {
  coldStartWaiting: {
    name: 'proxy_cold_start_waiting',
    type: 'gauge',
    help: 'Connections that wait for a backend to start.',
    labels: [],
  },
  coldStartBytes: {
    name: 'proxy_cold_start_waiting_bytes',
    type: 'gauge',
    help: 'Bytes of clients that are held meanwhile.',
    labels: [],
  },
  tenants: {
    name: 'proxy_tenants',
    type: 'gauge',
    help: 'Tenants that an idle layer watches: busy or idle, summed over the worker processes.',
    labels: ['state'],
  },
  cacheLookups: {
    name: 'proxy_route_cache_lookups_total',
    type: 'counter',
    help: 'Questions to the cache of routes: hit, negative_hit or miss.',
    labels: ['result'],
  },
  cacheEntries: {
    name: 'proxy_route_cache_entries',
    type: 'gauge',
    help: 'Routes in the cache.',
    labels: [],
  },
  circuits: {
    name: 'proxy_circuits',
    type: 'gauge',
    help: 'Circuits that are not closed: open or half_open, as a worker process sees them.',
    labels: ['worker', 'state'],
  },
  circuitChanges: {
    name: 'proxy_circuit_changes_total',
    type: 'counter',
    help: 'Circuits that went to a state: open, half_open or closed.',
    labels: ['state'],
  },
  endpoints: {
    name: 'proxy_endpoints',
    type: 'gauge',
    help: 'Endpoints that a health layer has an opinion of: healthy or unhealthy, as a worker process sees them.',
    labels: ['worker', 'health'],
  },
  endpointChanges: {
    name: 'proxy_endpoint_health_changes_total',
    type: 'counter',
    help: 'Endpoints that became healthy or unhealthy, by check or outlier.',
    labels: ['health', 'by'],
  },
  endpointConnections: {
    name: 'proxy_endpoint_connections',
    type: 'gauge',
    help: 'Open connections to the endpoints that a balance layer chooses among.',
    labels: ['worker'],
  },
}
