import { whileIdle } from '../idle.ts'
import { measureLoad } from '../load.ts'
import { sampleOf } from '../native.ts'
import { openSockets } from '../proc.ts'
import { smallestShare } from '../share.ts'
import { gatewayBinary } from '../subjects/gateway-binary.ts'
import type { Suite, Workload } from '../suite.ts'

const load = (id: string, mode: 'load' | 'rate', unit: string, name: string): Workload => ({
  id,
  name: `${name}, 64 at a time`,
  unit,
  run: async (bench, target, span) => {
    const report = await measureLoad(bench, 'http-client', { mode, connections: 64, request: 'get' }, target, span)
    return sampleOf(report, report.requests, true)
  },
})

/** What the worker with the fewest connections has of what would be its share. */
const shared: Workload = {
  id: 'shared',
  name: 'idle connections of the worker that has the fewest, as part of an equal share (1 is best)',
  unit: 'of its share',
  fresh: true,
  run: async (bench, target) => {
    const sockets = (pids: readonly number[]): number[] => pids.map(openSockets)
    const [before, after] = await whileIdle(bench, target, 'http-client', { first: 100, total: 2000 }, sockets)
    return { value: smallestShare(before, after, target.workers ?? 1) }
  },
}

/** The program itself with more and more workers, against itself with one. */
const scaling = (transport: 'node' | 'epoll'): Suite => ({
  name: `scaling-${transport}`,
  cores: 'workers, load and backend share all cores',
  reference: '1 worker',
  subjects: [1, 2, 4].map((workers) => gatewayBinary(workers, transport)),
  workloads: [
    load('get', 'load', 'req/s', 'GET 13 B on kept connections'),
    load('rate', 'rate', 'conn/s', 'connect, GET 13 B, close'),
    shared,
  ],
  plan: { rounds: 3, seconds: 1.5, warmup: 0.3, firstWarmup: 1.5 },
  quickPlan: { rounds: 1, seconds: 0.5, warmup: 0.5, firstWarmup: 0.5 },
  startBackend: (bench) => bench.native.backend('http-backend'),
})

export const scalingSuites: readonly Suite[] = [scaling('node'), scaling('epoll')]
