import type { Bench } from '../bench.ts'
import { hasOpensslHeaders } from '../install.ts'
import { measureLoad } from '../load.ts'
import { sampleOf } from '../native.ts'
import type { Subject } from '../subject.ts'
import { gateway, gatewayEpoll } from '../subjects/gateway.ts'
import { haproxy } from '../subjects/haproxy.ts'
import { nginx } from '../subjects/nginx.ts'
import type { Suite, Workload } from '../suite.ts'

/** There is nothing to ask for without a client that speaks TLS. */
const suits = (): boolean => hasOpensslHeaders()

const client = (bench: Bench): { ca: string } => ({ ca: bench.certificate.authorityFile })

const requests = (id: string, name: string): Workload => ({
  id: `tls-${id}`,
  name: `HTTPS: ${name}, 64 connections`,
  unit: 'req/s',
  suits,
  run: async (bench, target, span) => {
    const load = { mode: 'load', connections: 64, request: id, ...client(bench) }
    const report = await measureLoad(bench, 'https-client', load, target, span)
    return sampleOf(report, report.requests, true)
  },
})

const handshakes = (id: string, resume: 'yes' | 'no', name: string): Workload => ({
  id,
  name: `HTTPS: ${name}, GET 13 B, close; 16 at a time`,
  unit: 'conn/s',
  suits,
  run: async (bench, target, span) => {
    const load = { mode: 'rate', connections: 16, request: 'get', resume, ...client(bench) }
    const report = await measureLoad(bench, 'https-client', load, target, span)
    return sampleOf(report, report.requests, true)
  },
})

const subjects: readonly Subject[] = [gateway('https'), gatewayEpoll('https'), nginx('https'), haproxy('https')]

/** TLS 1.3 with AES-128-GCM and an ECDSA certificate on P-256, ended by the proxy; plain HTTP behind it. */
export const httpsSuite: Suite = {
  name: 'https',
  reference: 'nginx',
  subjects,
  workloads: [
    requests('get', 'GET 13 B'),
    requests('get-64k', 'GET 64 KiB'),
    handshakes('tls-new', 'no', 'connect, full handshake'),
    handshakes('tls-resumed', 'yes', 'connect, resume'),
  ],
  plan: { rounds: 3, seconds: 1, warmup: 0.2, firstWarmup: 1 },
  quickPlan: { rounds: 1, seconds: 0.5, warmup: 0.5, firstWarmup: 0.5 },
  startBackend: (bench) => bench.native.backend('http-backend'),
}
