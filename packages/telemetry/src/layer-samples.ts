import type { GatewayStats } from '@proxy/kernel'
import type { SampleStore } from './samples.ts'

type Layers = GatewayStats['layers']
type Facts = Readonly<Record<string, unknown>>

/** Adds what the layers of one worker process say of themselves. */
export function addLayers(store: SampleStore, worker: string, layers: Layers): void {
  addColdStart(store, layers['coldStart'])
  addIdle(store, layers['idle'])
  addCacheEntries(store, layers['cache'])
  addCircuits(store, worker, layers['breaker'])
  addHealth(store, worker, layers['health'])
  addBalance(store, worker, layers['balance'])
  addLayerCounters(store, layers)
}

/** Adds those of them that only grow: they count on when the process is gone. */
export function addLayerCounters(store: SampleStore, layers: Layers): void {
  const { cache } = layers
  if (cache === undefined) return
  store.add('cacheLookups', ['hit'], numberOf(cache, 'hits'))
  store.add('cacheLookups', ['negative_hit'], numberOf(cache, 'negativeHits'))
  store.add('cacheLookups', ['miss'], numberOf(cache, 'misses'))
}

function addColdStart(store: SampleStore, stats: Facts | undefined): void {
  if (stats === undefined) return
  store.add('coldStartWaiting', [], numberOf(stats, 'waiting'))
  store.add('coldStartBytes', [], numberOf(stats, 'waitingBytes'))
}

function addIdle(store: SampleStore, stats: Facts | undefined): void {
  if (stats === undefined) return
  store.add('tenants', ['busy'], numberOf(stats, 'busy'))
  store.add('tenants', ['idle'], numberOf(stats, 'idle'))
}

function addCacheEntries(store: SampleStore, stats: Facts | undefined): void {
  if (stats !== undefined) store.add('cacheEntries', [], numberOf(stats, 'size'))
}

function addCircuits(store: SampleStore, worker: string, stats: Facts | undefined): void {
  if (stats === undefined) return
  store.add('circuits', [worker, 'open'], numberOf(stats, 'open'))
  store.add('circuits', [worker, 'half_open'], numberOf(stats, 'halfOpen'))
}

function addHealth(store: SampleStore, worker: string, stats: Facts | undefined): void {
  if (stats === undefined) return
  const endpoints = rowsOf(stats, 'endpoints')
  const listed = endpoints.filter(({ healthy }) => healthy === true).length
  // The list is cut short, the counts are not.
  store.add('endpoints', [worker, 'healthy'], numberOf(stats, 'healthy', listed))
  store.add('endpoints', [worker, 'unhealthy'], numberOf(stats, 'unhealthy', endpoints.length - listed))
}

function addBalance(store: SampleStore, worker: string, stats: Facts | undefined): void {
  if (stats === undefined) return
  const listed = rowsOf(stats, 'endpoints').reduce((sum, row) => sum + numberOf(row, 'connections'), 0)
  store.add('endpointConnections', [worker], numberOf(stats, 'connections', listed))
}

/** Layers are anybody's: what is not there as it should be counts as nothing. */
function numberOf(stats: Facts, name: string, otherwise = 0): number {
  const value = stats[name]
  return typeof value === 'number' ? value : otherwise
}

function rowsOf(stats: Facts, name: string): readonly Facts[] {
  const rows = stats[name]
  return Array.isArray(rows) ? rows.filter((row): row is Facts => typeof row === 'object' && row !== null) : []
}
