import { SampleStore } from '@proxy/telemetry'
import { expect, it } from 'vitest'
import { mergedListeners, mergedTenants, type WorkerSnapshot } from '../admin/snapshot.ts'
import { retire } from './retired.ts'

function snapshot(): WorkerSnapshot {
  const store = new SampleStore()
  store.add('errors', ['resolver'], 3)
  const address = { host: '127.0.0.1', port: 80 }
  const listener = { name: 'http', address, protocol: 'http', connections: 1, accepted: 5, refused: 2 }
  return {
    worker: 1,
    pid: 1,
    gateway: { phase: 'open', sessions: 1, listeners: [listener], resolver: {}, layers: { cache: { hits: 4 } } },
    samples: store.snapshot(),
    tenants: { alpha: { routes: 7, sessions: 1, bytesFromClient: 1, bytesToClient: 1 } },
    residentBytes: 1,
    cpuSeconds: 1,
  }
}

it('holds the counters of any number of workers in a few records', () => {
  const retired: WorkerSnapshot[] = []
  for (let count = 0; count < 100; count++) retire(retired, snapshot())
  expect(retired.length).toBeLessThan(10)
  const fleet = { workers: [], retired, maxTenants: 10 }
  expect(mergedListeners(fleet)).toMatchObject([{ connections: 0, accepted: 500, refused: 200 }])
  expect(mergedTenants(fleet)['alpha']).toMatchObject({ routes: 700 })
  const store = new SampleStore()
  for (const { samples } of retired) store.merge(samples)
  expect(JSON.stringify(store.snapshot().errors)).toContain('300')
  expect(retired.reduce((sum, { gateway }) => sum + Number(gateway.layers['cache']?.['hits']), 0)).toBe(400)
})
