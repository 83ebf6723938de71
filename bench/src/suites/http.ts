import { idleMemory, trafficSeconds } from '../idle.ts'
import { measureLoad } from '../load.ts'
import { latencySample, sampleOf } from '../native.ts'
import { direct } from '../subjects/direct.ts'
import { gateway, gatewayEpoll } from '../subjects/gateway.ts'
import { haproxy } from '../subjects/haproxy.ts'
import { nginx } from '../subjects/nginx.ts'
import { npmPeer } from '../subjects/node.ts'
import type { Suite, Workload } from '../suite.ts'

const requests = (id: string, name: string, thorough = false): Workload => ({
  id,
  thorough,
  name: `${name}, 64 connections`,
  unit: 'req/s',
  run: async (bench, target, span) => {
    const report = await measureLoad(bench, 'http-client', { mode: 'load', connections: 64, request: id }, target, span)
    return sampleOf(report, report.requests, target.pid !== undefined)
  },
})

/** How long one client that is alone waits. */
const latency: Workload = {
  id: 'latency',
  thorough: true,
  name: 'GET 13 B, 1 client, median (less is better)',
  unit: 'us',
  run: async (bench, target, span) =>
    latencySample(
      await measureLoad(bench, 'http-client', { mode: 'load', connections: 1, request: 'get' }, target, span),
    ),
}

const idle: Workload = {
  id: 'idle',
  thorough: true,
  name: 'user memory per idle keep-alive client (less is better)',
  unit: 'KiB',
  fresh: true,
  rounds: 2,
  suits: (subject) => subject !== direct,
  run: async (bench, target, span) => {
    const load = { mode: 'load', connections: 64, request: 'get' }
    await measureLoad(bench, 'http-client', load, target, { ...span, seconds: trafficSeconds })
    return idleMemory(bench, target, 'http-client', bench.idleCounts(span.quick))
  },
}

export const httpSuite: Suite = {
  name: 'http',
  reference: 'nginx',
  subjects: [
    gateway('http'),
    gatewayEpoll('http'),
    nginx('http'),
    haproxy('http'),
    npmPeer('fast-proxy', 'fast-proxy.ts'),
    npmPeer('http-proxy', 'http-proxy.ts'),
    npmPeer('http-proxy-3', 'http-proxy-3.ts'),
    npmPeer('httpxy', 'httpxy.ts'),
    npmPeer('@fastify/http-proxy', 'fastify-http-proxy.ts'),
    direct,
  ],
  workloads: [
    requests('get', 'GET 13 B'),
    requests('headers', 'GET 13 B with 10 browser headers', true),
    requests('get-1k', 'GET 1 KiB'),
    requests('get-64k', 'GET 64 KiB'),
    requests('post-1k', 'POST 1 KiB'),
    requests('chunked', 'GET 1 KiB chunked', true),
    latency,
    idle,
  ],
  plan: { rounds: 3, seconds: 0.8, warmup: 0.2, firstWarmup: 0.8 },
  quickPlan: { rounds: 1, seconds: 0.5, warmup: 0.5, firstWarmup: 0.5 },
  startBackend: (bench) => bench.native.backend('http-backend'),
}
