import type { FleetSnapshot } from '../snapshot.ts'
import { endpointText, type Json, numberOf, numberOrNull, recordOf, recordsOf, textOf, textOrNull } from './json.ts'
import type { FinishedWake, WakeLog } from './wake-log.ts'

const mostRows = 200

const layersNamed = (fleet: FleetSnapshot, name: string): Json[] =>
  fleet.workers.map(({ gateway }) => recordOf(recordOf(gateway.layers)[name]))

/** Rows of all workers; those of the same thing become one. */
function merged<T>(rows: readonly T[], idOf: (row: T) => string, merge: (a: T, b: T) => T): T[] {
  const byId = new Map<string, T>()
  for (const row of rows) {
    const id = idOf(row)
    const known = byId.get(id)
    byId.set(id, known === undefined ? row : merge(known, row))
  }
  return [...byId.values()]
}

const sum = (records: readonly Json[], name: string): number =>
  records.reduce((total, record) => total + numberOf(record[name]), 0)

export interface WakeUnderWay {
  readonly backend: string
  readonly key: string
  readonly waiting: number
  readonly elapsedMs: number
  readonly state: string
}

export interface ColdStartsView {
  /** Connections that wait, and the bytes they hold. */
  readonly waiting: number
  readonly waitingBytes: number
  readonly wakes: readonly WakeUnderWay[]
  /** Wakes whose failure still answers for the next. */
  readonly failed: readonly { readonly backend: string; readonly code: string; readonly msAgo: number }[]
  readonly recent: readonly FinishedWake[]
  /** Since the gateway started; what several workers waited for counts once. */
  readonly woken: number
  readonly failures: number
}

export function coldStartsOf(fleet: FleetSnapshot, log: Pick<WakeLog, 'finished' | 'totals'>): ColdStartsView {
  const layers = layersNamed(fleet, 'coldStart')
  const wakes = layers.flatMap((layer) => recordsOf(layer['wakes']).map(wakeOf))
  return {
    waiting: sum(layers, 'waiting'),
    waitingBytes: sum(layers, 'waitingBytes'),
    wakes: merged(wakes, ({ backend }) => backend, mergedWake).toSorted((a, b) => b.elapsedMs - a.elapsedMs),
    failed: merged(
      layers.flatMap((layer) => recordsOf(layer['failed']).map(failedOf)),
      ({ backend }) => backend,
      (a, b) => (a.msAgo <= b.msAgo ? a : b),
    ),
    recent: log.finished,
    ...log.totals,
  }
}

const wakeOf = (wake: Json): WakeUnderWay => ({
  backend: textOf(wake['backend']),
  key: textOf(wake['key']),
  waiting: numberOf(wake['waiting']),
  elapsedMs: numberOf(wake['startedMsAgo']),
  state: textOf(wake['state']),
})

const mergedWake = (a: WakeUnderWay, b: WakeUnderWay): WakeUnderWay => ({
  ...a,
  waiting: a.waiting + b.waiting,
  elapsedMs: Math.max(a.elapsedMs, b.elapsedMs),
  state: a.state === 'waking' ? a.state : b.state,
})

const failedOf = (failed: Json): { backend: string; code: string; msAgo: number } => ({
  backend: textOf(failed['backend']),
  code: textOf(failed['code']),
  msAgo: numberOf(failed['msAgo']),
})

export interface CircuitView {
  readonly backend: string
  readonly endpoint: string
  /** The worst of all workers. */
  readonly state: string
  readonly failures: number
  readonly retryInMs: number
  /** In how many workers it is not simply closed. */
  readonly workers: number
}

export interface CircuitsView {
  readonly open: number
  readonly halfOpen: number
  readonly circuits: readonly CircuitView[]
}

export function circuitsOf(fleet: FleetSnapshot): CircuitsView {
  const rows = layersNamed(fleet, 'breaker').flatMap((layer) => recordsOf(layer['circuits']).map(circuitOf))
  const circuits = merged(rows, placeOf, mergedCircuit)
  const inState = (state: string): number => circuits.filter((circuit) => circuit.state === state).length
  return { open: inState('open'), halfOpen: inState('half-open'), circuits: circuits.slice(0, mostRows) }
}

const placeOf = ({ backend, endpoint }: { readonly backend: string; readonly endpoint: string }): string =>
  `${backend}\n${endpoint}`

const circuitOf = (circuit: Json): CircuitView => ({
  backend: textOf(circuit['backend']),
  endpoint: endpointText(circuit['endpoint']),
  state: textOf(circuit['state']),
  failures: numberOf(circuit['failures']),
  retryInMs: numberOf(circuit['retryInMs']),
  workers: 1,
})

const severity = ['closed', 'half-open', 'open']

const mergedCircuit = (a: CircuitView, b: CircuitView): CircuitView => ({
  ...a,
  state: severity.indexOf(a.state) >= severity.indexOf(b.state) ? a.state : b.state,
  failures: Math.max(a.failures, b.failures),
  retryInMs: Math.max(a.retryInMs, b.retryInMs),
  workers: a.workers + b.workers,
})

export interface EndpointView {
  readonly backend: string
  readonly endpoint: string
  /** null: nobody checks it. False when any worker thinks so. */
  readonly healthy: boolean | null
  readonly by: string | null
  readonly lastError: string | null
  readonly checkedMsAgo: number | null
  readonly latencyMs: number | null
  /** null: nobody balances. */
  readonly connections: number | null
  readonly weight: number | null
  readonly draining: boolean
  readonly slowStart: boolean
}

/** What health and balance know of each endpoint; the unhealthy first. */
export function endpointsOf(fleet: FleetSnapshot): { readonly endpoints: readonly EndpointView[] } {
  const health = layersNamed(fleet, 'health').flatMap((layer) => recordsOf(layer['endpoints']).map(healthOf))
  const balance = layersNamed(fleet, 'balance').flatMap((layer) => recordsOf(layer['endpoints']).map(balanceOf))
  const endpoints = merged([...health, ...balance], placeOf, mergedEndpoint)
  return { endpoints: endpoints.toSorted((a, b) => rank(a) - rank(b)).slice(0, mostRows) }
}

const rank = ({ healthy }: EndpointView): number => (healthy === false ? 0 : 1)

const unknown: Omit<EndpointView, 'backend' | 'endpoint'> = {
  healthy: null,
  by: null,
  lastError: null,
  checkedMsAgo: null,
  latencyMs: null,
  connections: null,
  weight: null,
  draining: false,
  slowStart: false,
}

const healthOf = (row: Json): EndpointView => ({
  ...unknown,
  backend: textOf(row['backend']),
  endpoint: endpointText(row['endpoint']),
  healthy: row['healthy'] !== false,
  by: textOrNull(row['by']),
  lastError: textOrNull(row['lastError']),
  checkedMsAgo: numberOrNull(row['checkedMsAgo']),
  latencyMs: numberOrNull(row['latencyMs']),
})

const balanceOf = (row: Json): EndpointView => ({
  ...unknown,
  backend: textOf(row['backend']),
  endpoint: endpointText(row['endpoint']),
  connections: numberOf(row['connections']),
  weight: numberOrNull(row['weight']),
  draining: row['draining'] === true,
  slowStart: row['slowStart'] !== undefined && row['slowStart'] !== false && row['slowStart'] !== null,
})

/** Of two opinions about its health the worse one counts, of two checks the later. */
function mergedEndpoint(a: EndpointView, b: EndpointView): EndpointView {
  const told = b.healthy === false || a.healthy === null ? b : a
  const latest = (b.checkedMsAgo ?? Infinity) < (a.checkedMsAgo ?? Infinity) ? b : a
  return {
    ...a,
    healthy: told.healthy,
    by: told.by,
    lastError: told.lastError,
    checkedMsAgo: latest.checkedMsAgo,
    latencyMs: latest.latencyMs,
    connections: a.connections === null ? b.connections : a.connections + (b.connections ?? 0),
    weight: a.weight ?? b.weight,
    draining: a.draining || b.draining,
    slowStart: a.slowStart || b.slowStart,
  }
}
