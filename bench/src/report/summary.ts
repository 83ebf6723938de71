import { short } from '../table.ts'
import type { Report } from './data.ts'
import { perCpuSecond, ratioTo, valueOf } from './figures.ts'
import { machineText } from './machine.ts'

/** One line of a table of the README: a workload, and its subjects in the order of the columns. */
interface Line {
  readonly what: string
  readonly id: string
  readonly unit?: string
}

const tcpLines: readonly Line[] = [
  { what: 'request/response 64 B, 50 connections', id: 'rr-64' },
  { what: 'request/response 1 KiB', id: 'rr-1k' },
  { what: 'bulk, 8 connections', id: 'bulk', unit: 'B' },
  { what: 'new connections, first packet parsed', id: 'rate' },
]

const httpLines: readonly Line[] = [
  { what: 'GET 13 B', id: 'get' },
  { what: 'GET with 10 browser headers', id: 'headers' },
  { what: 'GET 1 KiB', id: 'get-1k' },
  { what: 'GET 64 KiB', id: 'get-64k' },
  { what: 'POST 1 KiB', id: 'post-1k' },
]

const pgbenchLines: readonly Line[] = [
  { what: '`pgbench -S`, prepared, 16 clients', id: 'select' },
  { what: 'TPC-B', id: 'tpcb' },
  { what: 'a connection per transaction', id: 'connect' },
]

const work = (report: Report, suite: string, { id, unit }: Line, subject: string, reference: string): string => {
  const done = perCpuSecond(suite, id)(report, subject)
  if (done === undefined) return '-'
  const ratio = ratioTo(suite, id, [reference])(report, subject)
  const amount =
    unit === undefined ? short(done.median) : `${short(done.median).replace(/(\d)([kMG])/, '$1 $2')}${unit}`
  return subject === reference || ratio === undefined ? amount : `${amount} (${ratio.median.toFixed(2)})`
}

const memory = (report: Report, suite: string, subject: string): string => {
  const each = valueOf(suite, 'idle')(report, subject)
  return each === undefined ? '-' : `${each.median.toFixed(1)} KiB`
}

const table = (
  report: Report,
  suite: string,
  lines: readonly Line[],
  subjects: readonly string[],
  idle?: string,
): string => {
  const reference = subjects[2]!
  const row = (cells: readonly string[]): string => `| ${cells.join(' | ')} |`
  return [
    row(['', ...subjects]),
    `|---|${subjects.map(() => '---:|').join('')}`,
    ...lines.map((line) =>
      row([line.what, ...subjects.map((subject) => work(report, suite, line, subject, reference))]),
    ),
    ...(idle === undefined ? [] : [row([idle, ...subjects.map((subject) => memory(report, suite, subject))])]),
  ].join('\n')
}

/** What the README shows of the report. */
export const summary = (report: Report): string =>
  [
    `Work per proxy-CPU-second on ${machineText(report.machine)}; proxies on one core, one thread each; in parentheses the ratio to the third column, taken round by round. \`gateway\` is on Node's sockets, \`gateway-epoll\` on [\`@proxy/transport-epoll\`](packages/transport-epoll). Read ratios as ±15%.`,
    table(
      report,
      'tcp',
      tcpLines,
      ['gateway-epoll', 'gateway', 'haproxy', 'nginx', 'node-pipe'],
      'user memory per idle connection',
    ),
    table(
      report,
      'http',
      httpLines,
      ['gateway-epoll', 'gateway', 'nginx', 'haproxy', 'fast-proxy'],
      'user memory per idle client',
    ),
    table(report, 'pgbench', pgbenchLines, ['gateway-epoll', 'gateway', 'haproxy', 'pgbouncer']),
  ].join('\n\n')
