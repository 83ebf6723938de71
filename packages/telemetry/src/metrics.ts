import { type LayerMetricKey, layerMetrics } from './layer-metrics.ts'

/** What one metric is. Its name, type, help and labels are part of the product: `docs/reference/metrics.md`. */
export interface MetricFacts {
  readonly name: string
  readonly type: 'counter' | 'gauge' | 'histogram'
  readonly help: string
  readonly labels: readonly string[]
}

/** Upper bounds of histogram buckets, in seconds. */
export const durationBuckets: readonly number[] = [
  0.000_25, 0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300,
]

/** How the code names a metric. */
export type MetricKey =
  | 'sessions'
  | 'sessionErrors'
  | 'sessionBytes'
  | 'sessionSeconds'
  | 'sessionPartSeconds'
  | 'setupSeconds'
  | 'routes'
  | 'routeSeconds'
  | 'requests'
  | 'requestSeconds'
  | 'wakes'
  | 'wakesInFlight'
  | 'wakeSeconds'
  | 'dials'
  | 'dialSeconds'
  | 'upstreamFaults'
  | 'errors'
  | 'connections'
  | 'accepted'
  | 'refused'
  | 'tenantSessions'
  | 'tenantRoutes'
  | 'tenantBytes'
  | 'tenantChanges'
  | 'workers'
  | 'workerRestarts'
  | 'reloads'
  | 'draining'
  | 'memory'
  | 'cpu'
  | 'telemetryDropped'
  | LayerMetricKey

/** Every metric that /metrics shows. */
export const metrics: Readonly<Record<MetricKey, MetricFacts>> = {
  sessions: {
    name: 'proxy_sessions_total',
    type: 'counter',
    help: 'Sessions that ended.',
    labels: ['listener', 'protocol', 'outcome', 'reason'],
  },
  sessionErrors: {
    name: 'proxy_session_errors_total',
    type: 'counter',
    help: 'Sessions that ended with an error.',
    labels: ['listener', 'code', 'origin'],
  },
  sessionBytes: {
    name: 'proxy_session_bytes_total',
    type: 'counter',
    help: 'Bytes of sessions that ended, as seen on the client side.',
    labels: ['listener', 'direction'],
  },
  sessionSeconds: {
    name: 'proxy_session_duration_seconds',
    type: 'histogram',
    help: 'From accept to the end of the session.',
    labels: ['listener'],
  },
  sessionPartSeconds: {
    name: 'proxy_session_part_duration_seconds',
    type: 'histogram',
    help: 'Where the time goes. client: from accept to the key; resolve: the resolver, waking not counted; wake: waiting for a backend to start; dial: connecting to it; first_byte: from there to its first byte.',
    labels: ['listener', 'protocol', 'part'],
  },
  setupSeconds: {
    name: 'proxy_setup_duration_seconds',
    type: 'histogram',
    help: 'From accept to the start of the relay.',
    labels: ['listener'],
  },
  routes: {
    name: 'proxy_routes_total',
    type: 'counter',
    help: 'Answers of the resolver: ok, or the code of the error.',
    labels: ['listener', 'result'],
  },
  routeSeconds: {
    name: 'proxy_route_duration_seconds',
    type: 'histogram',
    help: 'From the key to its backend, through the layers; waking included.',
    labels: ['listener'],
  },
  requests: {
    name: 'proxy_http_requests_total',
    type: 'counter',
    help: 'HTTP requests that were answered, by status; status="0": the client left before there was one.',
    labels: ['listener', 'version', 'status'],
  },
  requestSeconds: {
    name: 'proxy_http_request_duration_seconds',
    type: 'histogram',
    help: 'From the first byte of an HTTP request to the end of its response.',
    labels: ['listener'],
  },
  wakes: {
    name: 'proxy_wakes_total',
    type: 'counter',
    help: 'Backends that were woken: ok, or the code of the error.',
    labels: ['result'],
  },
  wakesInFlight: {
    name: 'proxy_wakes_in_flight',
    type: 'gauge',
    help: 'Backends that are being woken at this moment.',
    labels: [],
  },
  wakeSeconds: {
    name: 'proxy_wake_duration_seconds',
    type: 'histogram',
    help: 'From asleep to ready.',
    labels: [],
  },
  dials: {
    name: 'proxy_dials_total',
    type: 'counter',
    help: 'Connections to backends: ok, or the code of the error.',
    labels: ['listener', 'result'],
  },
  dialSeconds: {
    name: 'proxy_dial_duration_seconds',
    type: 'histogram',
    help: 'From dialling to a connection to the backend.',
    labels: ['listener'],
  },
  upstreamFaults: {
    name: 'proxy_upstream_faults_total',
    type: 'counter',
    help: 'Backends that failed after they were dialled and before they answered.',
    labels: ['listener', 'code'],
  },
  errors: {
    name: 'proxy_internal_errors_total',
    type: 'counter',
    help: 'Errors that belong to no session, and errors in hooks.',
    labels: ['source'],
  },
  connections: {
    name: 'proxy_listener_connections',
    type: 'gauge',
    help: 'Open client connections.',
    labels: ['listener'],
  },
  accepted: {
    name: 'proxy_listener_accepted_total',
    type: 'counter',
    help: 'Client connections that were accepted.',
    labels: ['listener'],
  },
  refused: {
    name: 'proxy_listener_refused_total',
    type: 'counter',
    help: 'Client connections that were refused by a limit of the listener.',
    labels: ['listener'],
  },
  tenantSessions: {
    name: 'proxy_tenant_sessions_total',
    type: 'counter',
    help: 'Sessions that ended, by the tenant they were last routed to. Beyond the cap: tenant="__other__".',
    labels: ['tenant'],
  },
  tenantRoutes: {
    name: 'proxy_tenant_routes_total',
    type: 'counter',
    help: 'Routes that led to the tenant. Beyond the cap: tenant="__other__".',
    labels: ['tenant'],
  },
  tenantBytes: {
    name: 'proxy_tenant_bytes_total',
    type: 'counter',
    help: 'Bytes of sessions that ended, by tenant. Beyond the cap: tenant="__other__".',
    labels: ['tenant', 'direction'],
  },
  tenantChanges: {
    name: 'proxy_tenant_changes_total',
    type: 'counter',
    help: 'Tenants that became busy or idle, as each worker process sees them.',
    labels: ['state'],
  },
  ...layerMetrics,
  workers: {
    name: 'proxy_workers',
    type: 'gauge',
    help: 'Worker processes that serve.',
    labels: [],
  },
  workerRestarts: {
    name: 'proxy_worker_restarts_total',
    type: 'counter',
    help: 'Worker processes that died and were started again.',
    labels: [],
  },
  reloads: {
    name: 'proxy_reloads_total',
    type: 'counter',
    help: 'Reloads of the configuration: ok or failed.',
    labels: ['result'],
  },
  draining: {
    name: 'proxy_draining',
    type: 'gauge',
    help: '1 while the gateway drains.',
    labels: [],
  },
  memory: {
    name: 'proxy_worker_resident_memory_bytes',
    type: 'gauge',
    help: 'Resident memory of a worker process.',
    labels: ['worker'],
  },
  cpu: {
    name: 'proxy_worker_cpu_seconds_total',
    type: 'counter',
    help: 'User and system CPU time of a worker process.',
    labels: ['worker'],
  },
  telemetryDropped: {
    name: 'proxy_telemetry_dropped_total',
    type: 'counter',
    help: 'Spans (traces), batches (metrics) and lines (logs) that were lost: queue_full or export_failed.',
    labels: ['signal', 'reason'],
  },
}
