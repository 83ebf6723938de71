import { type Http2Load, measureH2load, pattern } from '../h2load.ts'
import { isInstalled } from '../install.ts'
import { gateway, gatewayEpoll } from '../subjects/gateway.ts'
import { haproxy } from '../subjects/haproxy.ts'
import { nginx } from '../subjects/nginx.ts'
import type { Suite, Workload } from '../suite.ts'

const greeting = Buffer.from('Hello, world!')

/** What the backend of `native/http-payloads.h` answers. */
const loads = {
  get: { path: '/hello', sends: 0, answer: greeting },
  'get-1k': { path: '/1k', sends: 0, answer: pattern(1024) },
  'post-1k': { path: '/post', sends: 1024, answer: greeting },
} satisfies Record<string, Http2Load>

const requests = (id: keyof typeof loads, name: string, secured: boolean): Workload => ({
  id,
  name: `${secured ? 'HTTP/2 over TLS' : 'HTTP/2'}: ${name}, 8 connections, 16 streams each`,
  unit: 'req/s',
  suits: () => isInstalled('h2load'),
  run: (bench, target, span) =>
    measureH2load(bench, target, secured ? { ...loads[id], ca: bench.certificate.authority } : loads[id], span),
})

const suite = (name: string, mode: 'h2c' | 'h2'): Suite => ({
  name,
  reference: 'nginx',
  subjects: [gateway(mode), gatewayEpoll(mode), nginx(mode), haproxy(mode)],
  workloads: [
    requests('get', 'GET 13 B', mode === 'h2'),
    requests('get-1k', 'GET 1 KiB', mode === 'h2'),
    requests('post-1k', 'POST 1 KiB', mode === 'h2'),
  ],
  plan: { rounds: 3, seconds: 1, warmup: 0, firstWarmup: 0 },
  quickPlan: { rounds: 1, seconds: 1, warmup: 0, firstWarmup: 0 },
  startBackend: (bench) => bench.native.backend('http-backend'),
})

/** HTTP/2 from clients, HTTP/1.1 to the backend; without TLS by prior knowledge. */
export const http2Suites: readonly Suite[] = [suite('http2', 'h2c'), suite('http2-tls', 'h2')]
