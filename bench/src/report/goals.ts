import { addedP50, type Figure, p99To, ratioTo, valueOf } from './figures.ts'
import type { Report } from './data.ts'

/** What was set out to be reached, on either transport. */
export interface Goal {
  readonly what: string
  readonly unit: '' | 'KiB' | 'us'
  readonly better: 'more' | 'less'
  readonly epoll: number
  readonly node: number
  /** The page that tells where the time, or the memory, goes. */
  readonly page: string
  readonly figure: Figure
}

const npmPeers = ['fast-proxy', 'http-proxy', 'http-proxy-3', 'httpxy', '@fastify/http-proxy']

const ratio = (what: string, figure: Figure, page: string, epoll: number, node = epoll): Goal => ({
  what,
  unit: '',
  better: 'more',
  epoll,
  node,
  page,
  figure,
})

const tcp = (what: string, id: string, page: string, epoll: number, node: number): Goal =>
  ratio(`${what}, against HAProxy`, ratioTo('tcp', id, ['haproxy']), page, epoll, node)

const httpRequests: Readonly<Record<string, string>> = {
  get: 'GET 13 B',
  headers: 'GET with 10 browser headers',
  'get-1k': 'GET 1 KiB',
  'get-64k': 'GET 64 KiB',
  'post-1k': 'POST 1 KiB',
  chunked: 'GET 1 KiB chunked',
}

const http = (id: string, what: string): Goal[] => [
  ratio(`${what}, against nginx`, ratioTo('http', id, ['nginx']), 'http.md', 1.1),
  {
    ...ratio(`${what}, p99 against nginx`, p99To('http', id, 'nginx'), 'http.md', 1),
    better: 'less',
  },
  ratio(`${what}, against the best npm peer`, ratioTo('http', id, npmPeers), 'http.md', 3),
]

const added = (what: string, suite: string, id: string, page: string): Goal => ({
  what: `added to the median, one client: ${what}`,
  unit: 'us',
  better: 'less',
  epoll: 150,
  node: 150,
  page,
  figure: addedP50(suite, id),
})

const http2 = (report: Report): Goal[] =>
  report.workloads
    .filter(({ suite, unit }) => suite.startsWith('http2') && unit === 'req/s')
    .map(({ suite, id, workload, reference }) =>
      ratio(`${workload}, against ${reference}`, ratioTo(suite, id, [reference]), 'http2.md', 1),
    )

/** The goals, those of HTTP/2 for each workload that was measured. */
export const goalsFor = (report: Report): Goal[] => [
  tcp('64 B, 50 connections', 'rr-64', 'epoll.md', 1.1, 0.75),
  tcp('1 KiB, 50 connections', 'rr-1k', 'epoll.md', 1.1, 0.75),
  tcp('bulk, 8 connections', 'bulk', 'epoll.md', 1.7, 1),
  tcp('new connections', 'rate', 'epoll.md', 1, 0.6),
  {
    what: 'user memory for each idle proxied connection',
    unit: 'KiB',
    better: 'less',
    epoll: 0.5,
    node: 5,
    page: 'sessions.md',
    figure: valueOf('tcp', 'idle'),
  },
  ...Object.entries(httpRequests).flatMap(([id, what]) => http(id, what)),
  ...http2(report),
  ratio('pgbench -S, against HAProxy', ratioTo('pgbench', 'select', ['haproxy']), 'databases.md', 1),
  ratio('pgbench -S, against pgbouncer', ratioTo('pgbench', 'select', ['pgbouncer']), 'databases.md', 1),
  added('a new TCP connection', 'tcp', 'connect', 'epoll.md'),
  added('GET 13 B', 'http', 'latency', 'http.md'),
  added('a prepared SELECT', 'pgbench', 'latency', 'databases.md'),
]
