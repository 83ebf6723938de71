import type { Row } from '../row.ts'
import { markdownTable } from '../table.ts'
import type { Panel } from './chart.ts'
import { type MeasuredWorkload, type Report, rowsOf } from './data.ts'
import { goalsTable } from './goals-table.ts'
import { machineText } from './machine.ts'

const suitesOf = (report: Report): Map<string, MeasuredWorkload[]> =>
  Map.groupBy(report.workloads, ({ suite }) => suite)

/** Workloads side by side that the goals are about; more would be a wall. */
const charted: Readonly<Record<string, readonly string[]>> = {
  tcp: ['rr-64', 'rr-1k', 'bulk', 'rate'],
  http: ['get', 'headers', 'get-64k', 'post-1k'],
  pgbench: ['select', 'tpcb', 'connect'],
}

const chartedSubjects = new Set([
  'gateway',
  'gateway-epoll',
  'haproxy',
  'nginx',
  'pgbouncer',
  'node-pipe',
  'fast-proxy',
])

const isCharted = ({ suite, id }: MeasuredWorkload): boolean => charted[suite]?.includes(id) ?? true

/** What the chart beside the report shows. */
export const panelsOf = (report: Report): Panel[] =>
  [...suitesOf(report)]
    .filter(([suite]) => !suite.startsWith('scaling'))
    .map(([, workloads]) => ({
      reference: workloads[0]!.reference,
      rows: workloads
        .filter(isCharted)
        .flatMap(rowsOf)
        .filter(({ subject }) => chartedSubjects.has(subject)),
    }))

const versions = (rows: readonly Row[]): string =>
  [...new Set(rows.map(({ subject, version }) => `${subject} ${version}`.trim()))].join(', ')

const days = (workloads: readonly MeasuredWorkload[]): string =>
  [...new Set(workloads.map(({ date }) => date.slice(0, 10)))].toSorted().join(', ')

const section = ([suite, workloads]: readonly [string, readonly MeasuredWorkload[]]): string => {
  const rows = workloads.flatMap(rowsOf)
  return [
    `## ${suite}`,
    `Spans of ${workloads[0]!.seconds} s, measured ${days(workloads)}. ${versions(rows)}.`,
    markdownTable(rows, workloads[0]!.reference),
  ].join('\n\n')
}

/** The report as a page. */
export const page = (report: Report): string =>
  [
    '# Report',
    `Written by \`npm run bench -- all --report\` on ${machineText(report.machine)}; do not edit. Data: [report.json](report.json). What is measured and how: [bench](../../../bench/README.md). Ratios are of the work per second of the proxy's CPU time, to the reference of the suite in the same round: median (lowest-highest). They repeat to about 15 % on a shared machine.`,
    '![Ratios by workload](chart.svg)',
    '## Goals',
    goalsTable(report),
    'What a cold start adds is measured by a test of its own: see [cold start](../cold-start.md).',
    ...[...suitesOf(report)].map(section),
    '',
  ]
    .join('\n\n')
    .trimEnd() + '\n'
