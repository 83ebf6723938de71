import { describe, expect, it } from 'vitest'
import { addLayerCounters, addLayers } from './layer-samples.ts'
import { prometheusText } from './prometheus.ts'
import { SampleStore } from './samples.ts'

const layers = {
  coldStart: { waiting: 3, waitingBytes: 400, wakes: [], failed: [], woken: 1, failures: 0 },
  idle: { busy: 2, idle: 5 },
  cache: { size: 7, hits: 10, misses: 4, negativeHits: 1 },
  breaker: { open: 1, halfOpen: 2, circuits: [] },
  health: { endpoints: [{ healthy: false }, { healthy: true }, { healthy: true }] },
  balance: { endpoints: [{ connections: 4 }, { connections: 5 }] },
}

function text(...workers: (typeof layers)[]): string {
  const store = new SampleStore()
  for (const [index, worker] of workers.entries()) addLayers(store, String(index + 1), worker)
  return prometheusText(store.snapshot())
}

describe('addLayers', () => {
  it('shows what every layer says, summed where workers add up and apart where they do not', () => {
    const lines = text(layers, layers).split('\n')
    expect(lines).toContain('proxy_cold_start_waiting 6')
    expect(lines).toContain('proxy_cold_start_waiting_bytes 800')
    expect(lines).toContain('proxy_tenants{state="idle"} 10')
    expect(lines).toContain('proxy_route_cache_lookups_total{result="hit"} 20')
    expect(lines).toContain('proxy_route_cache_entries 14')
    expect(lines).toContain('proxy_circuits{worker="2",state="half_open"} 2')
    expect(lines).toContain('proxy_endpoints{worker="1",health="healthy"} 2')
    expect(lines).toContain('proxy_endpoints{worker="1",health="unhealthy"} 1')
    expect(lines).toContain('proxy_endpoint_connections{worker="1"} 9')
  })

  it('says nothing of layers that are not there, and bears any that say something else', () => {
    const store = new SampleStore()
    addLayers(store, '1', {})
    expect(store.snapshot()).toEqual({})
    addLayers(store, '1', {
      health: { endpoints: 'none' },
      balance: { endpoints: [null] },
      coldStart: { waiting: '3' },
    })
    expect(store.snapshot().coldStartWaiting).toEqual([{ labels: [], value: 0 }])
  })

  it('keeps the counters of a process that is gone, and no gauge of it', () => {
    const store = new SampleStore()
    addLayerCounters(store, layers)
    expect(Object.keys(store.snapshot())).toEqual(['cacheLookups'])
  })
})
