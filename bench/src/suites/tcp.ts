import { idleMemory } from '../idle.ts'
import { measureLoad } from '../load.ts'
import { latencySample, sampleOf } from '../native.ts'
import type { Sample } from '../row.ts'
import { direct } from '../subjects/direct.ts'
import { gateway, gatewayEpoll } from '../subjects/gateway.ts'
import { haproxy } from '../subjects/haproxy.ts'
import { nginx } from '../subjects/nginx.ts'
import { nodePipe } from '../subjects/node.ts'
import type { Suite, Workload } from '../suite.ts'

/** What a connection sends first, with the line that it is routed by. */
const message = 64

const exchange = (size: number, id: string, name: string): Workload => ({
  id,
  name: `${name}, 50 connections`,
  unit: 'req/s',
  run: async (bench, target, span): Promise<Sample> => {
    const report = await measureLoad(bench, 'tcp-client', { mode: 'rr', connections: 50, size }, target, span)
    return sampleOf(report, report.requests, target.pid !== undefined)
  },
})

const bulk: Workload = {
  id: 'bulk',
  name: 'bulk, 8 connections, one way',
  unit: 'B/s',
  run: async (bench, target, span) => {
    const report = await measureLoad(bench, 'tcp-client', { mode: 'bulk', connections: 8 }, target, span)
    return sampleOf(report, report.bytes, target.pid !== undefined)
  },
}

const rate: Workload = {
  id: 'rate',
  name: 'connections: connect, first packet, answer, close',
  unit: 'conn/s',
  run: async (bench, target, span) => {
    const report = await measureLoad(
      bench,
      'tcp-client',
      { mode: 'rate', connections: 50, size: message },
      target,
      span,
    )
    return sampleOf(report, report.requests, target.pid !== undefined)
  },
}

/** How long one client that is alone waits. */
const latency = (mode: 'rr' | 'rate', id: string, name: string): Workload => ({
  id,
  name: `${name}, 1 client, median (less is better)`,
  unit: 'us',
  run: async (bench, target, span) =>
    latencySample(await measureLoad(bench, 'tcp-client', { mode, connections: 1, size: message }, target, span)),
})

const idle: Workload = {
  id: 'idle',
  name: 'user memory per idle proxied connection (less is better)',
  unit: 'KiB',
  fresh: true,
  suits: (subject) => subject !== direct,
  run: (bench, target, span) => idleMemory(bench, target, 'tcp-client', bench.idleCounts(span.quick)),
}

export const tcpSuite: Suite = {
  name: 'tcp',
  reference: 'haproxy',
  subjects: [gateway('tcp'), gatewayEpoll('tcp'), haproxy('tcp'), nginx('tcp'), nodePipe, direct],
  workloads: [
    exchange(message, 'rr-64', 'request/response 64 B'),
    exchange(1024, 'rr-1k', 'request/response 1 KiB'),
    bulk,
    rate,
    latency('rr', 'latency', 'answer to 64 B on an open connection'),
    latency('rate', 'connect', 'answer to the first 64 B of a new connection'),
    idle,
  ],
  plan: { rounds: 5, seconds: 1.2, warmup: 0.2, firstWarmup: 1 },
  quickPlan: { rounds: 1, seconds: 0.6, warmup: 0.4, firstWarmup: 0.4 },
  startBackend: (bench) => bench.native.backend('tcp-backend'),
}
