import { layerConformance } from '@proxy/testkit'
import { backend } from '../backend.ts'
import { balance, breaker, cache, coldStart, guard, health, idle, limits, retry } from './index.ts'

const routed = backend('203.0.113.7:7777')

layerConformance({ layer: () => cache() })
layerConformance({ name: 'cache that remembers nothing', layer: () => cache({ ttlMs: 0, negativeTtlMs: 0 }) })
layerConformance({ name: 'cold-start conformance, backend ready', layer: () => coldStart() })
layerConformance({
  name: 'cold-start conformance, with a resolver that wakes',
  layer: () => coldStart(),
  resolver: { name: 'sleepy', resolve: () => routed, wake: async () => routed },
})
layerConformance({ layer: () => idle() })
layerConformance({ name: 'idle conformance, at once', layer: () => idle({ afterMs: 1 }) })
layerConformance({ layer: () => limits({ maxConnectionsPerKey: 10, maxRoutesPerSecondPerKey: 10 }) })
layerConformance({ name: 'limits without limits', layer: () => limits({}) })
layerConformance({ layer: () => retry() })
layerConformance({ layer: () => balance() })
layerConformance({
  name: 'balance conformance, several endpoints',
  layer: () => balance(),
  resolution: { endpoint: ['203.0.113.7:7777', '203.0.113.8:7777'] },
})
layerConformance({ layer: () => breaker() })
layerConformance({ name: 'breaker conformance, at the first failure', layer: () => breaker({ failures: 1 }) })
layerConformance({
  name: 'retry conformance, several endpoints',
  layer: () => retry(),
  resolution: { endpoint: ['203.0.113.7:7777', '203.0.113.8:7777'] },
})
layerConformance({ layer: () => health() })
layerConformance({
  name: 'health conformance, several endpoints',
  layer: () => health({ intervalMs: 10, timeoutMs: 10 }),
  resolution: { endpoint: ['203.0.113.7:7777', '203.0.113.8:7777'] },
})
layerConformance({ name: 'guard conformance', layer: () => guard({ allow: ['203.0.113.0/24 7777'] }) })
layerConformance({
  name: 'guard conformance, by name',
  layer: () => guard({}, { lookup: async () => ['93.184.215.14', '2606:2800:21f::1'] }),
  resolution: 'db.example:7777',
})
