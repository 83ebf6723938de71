import { idleCpuTime, idleKernelMemory, idleMemory, trafficSeconds } from '../idle.ts'
import { measureLoad } from '../load.ts'
import { latencySample, sampleOf } from '../native.ts'
import type { Sample } from '../row.ts'
import type { Subject } from '../subject.ts'
import { direct } from '../subjects/direct.ts'
import { gateway, gatewayEpoll } from '../subjects/gateway.ts'
import { haproxy } from '../subjects/haproxy.ts'
import { nginx } from '../subjects/nginx.ts'
import { nodePipe } from '../subjects/node.ts'
import type { Suite, Workload } from '../suite.ts'

/** What a connection sends first, with the line that it is routed by. */
const message = 64

const many = (connections: number): string => (connections === 1 ? '1 connection' : `${connections} connections`)

/** The goals are about 50 connections, and 8 with bulk: fewer rounds of the others, and none in a quick run. */
const beside = (connections: number): Pick<Workload, 'rounds' | 'thorough'> =>
  connections === 50 || connections === 8 ? {} : { rounds: 3, thorough: true }

const exchange = (size: number, connections: number, id: string, name: string): Workload => ({
  id,
  ...beside(connections),
  name: `${name}, ${many(connections)}`,
  unit: 'req/s',
  run: async (bench, target, span): Promise<Sample> => {
    const report = await measureLoad(bench, 'tcp-client', { mode: 'rr', connections, size }, target, span)
    return sampleOf(report, report.requests, target.pid !== undefined)
  },
})

const bulk = (connections: number, id: string): Workload => ({
  id,
  ...beside(connections),
  name: `bulk, ${many(connections)}, one way`,
  unit: 'B/s',
  run: async (bench, target, span) => {
    const report = await measureLoad(bench, 'tcp-client', { mode: 'bulk', connections }, target, span)
    return sampleOf(report, report.bytes, target.pid !== undefined)
  },
})

const newConnections = { mode: 'rate', connections: 50, size: message }

const rate: Workload = {
  id: 'rate',
  name: 'connections: connect, first packet, answer, close',
  unit: 'conn/s',
  run: async (bench, target, span) => {
    const report = await measureLoad(bench, 'tcp-client', newConnections, target, span)
    return sampleOf(report, report.requests, target.pid !== undefined)
  },
}

/** How long one client that is alone waits until the tenant is read, its backend dialled, and the answer there. */
const connect: Workload = {
  id: 'connect',
  name: 'answer to the first 64 B of a new connection, 1 client, median (less is better)',
  unit: 'us',
  run: async (bench, target, span) =>
    latencySample(
      await measureLoad(bench, 'tcp-client', { mode: 'rate', connections: 1, size: message }, target, span),
    ),
}

const proxies = (subject: Subject): boolean => subject !== direct

const idle: Workload = {
  id: 'idle',
  name: 'user memory per idle proxied connection (less is better)',
  unit: 'KiB',
  fresh: true,
  rounds: 2,
  suits: proxies,
  run: async (bench, target, span) => {
    await measureLoad(bench, 'tcp-client', newConnections, target, { ...span, seconds: trafficSeconds })
    return idleMemory(bench, target, 'tcp-client', bench.idleCounts(span.quick))
  },
}

/** What the kernel keeps is the same for every proxy that has two sockets for a connection; one of each kind shows it. */
const kernelMemory: Workload = {
  id: 'idle-kernel',
  name: 'kernel memory per idle proxied connection (less is better)',
  unit: 'KiB',
  fresh: true,
  rounds: 2,
  thorough: true,
  suits: ({ name }) => name === 'gateway-epoll' || name === 'haproxy',
  run: (bench, target, span) => idleKernelMemory(bench, target, 'tcp-client', bench.idleCounts(span.quick)),
}

const idleCpu: Workload = {
  id: 'idle-cpu',
  name: 'CPU time per idle proxied connection and second (less is better)',
  unit: 'us/s',
  fresh: true,
  rounds: 2,
  thorough: true,
  suits: ({ name }) => name === 'gateway' || name === 'gateway-epoll',
  run: (bench, target, span) => idleCpuTime(bench, target, 'tcp-client', bench.idleCounts(span.quick)),
}

export const tcpSuite: Suite = {
  name: 'tcp',
  reference: 'haproxy',
  subjects: [gateway('tcp'), gatewayEpoll('tcp'), haproxy('tcp'), nginx('tcp'), nodePipe, direct],
  workloads: [
    exchange(message, 1, 'rr-64-1', 'request/response 64 B'),
    exchange(message, 50, 'rr-64', 'request/response 64 B'),
    exchange(message, 500, 'rr-64-500', 'request/response 64 B'),
    exchange(1024, 1, 'rr-1k-1', 'request/response 1 KiB'),
    exchange(1024, 50, 'rr-1k', 'request/response 1 KiB'),
    exchange(1024, 500, 'rr-1k-500', 'request/response 1 KiB'),
    bulk(1, 'bulk-1'),
    bulk(8, 'bulk'),
    rate,
    connect,
    idle,
    kernelMemory,
    idleCpu,
  ],
  plan: { rounds: 5, seconds: 1, warmup: 0.2, firstWarmup: 1 },
  quickPlan: { rounds: 1, seconds: 0.6, warmup: 0.4, firstWarmup: 0.4 },
  startBackend: (bench) => bench.native.backend('tcp-backend'),
}
