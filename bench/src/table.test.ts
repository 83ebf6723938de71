import { expect, test } from 'vitest'
import { failedRow, measuredRow } from './row.ts'
import { duration, markdownTable, short, terminalTable } from './table.ts'

const named = (workload: string, subject: string) => ({
  suite: 'tcp',
  id: 'w',
  workload,
  subject,
  version: '1',
  unit: 'req/s',
})
const reference = [
  { value: 50_000, perProxyCpuSecond: 60_000, p50Us: 750, p99Us: 1500 },
  { value: 52_000, perProxyCpuSecond: 62_000, p50Us: 750, p99Us: 1500 },
]
const mine = reference.map((sample) => ({ ...sample, perProxyCpuSecond: sample.perProxyCpuSecond / 2 }))
const rows = [
  measuredRow(named('small', 'haproxy'), reference, reference),
  measuredRow(named('small', 'ours'), mine, reference),
  failedRow(named('small', 'broken'), 'a | b'),
  measuredRow(named('memory', 'haproxy'), [{ value: 3.3 }], [{ value: 3.3 }]),
]

test('numbers have three digits and a suffix', () => {
  expect([0.5, 3.3, 42.1, 999, 1234, 56_789, 1.2e6, 3e9].map(short)).toEqual([
    '0.50',
    '3.30',
    '42.1',
    '999',
    '1.23k',
    '56.8k',
    '1.20M',
    '3.00G',
  ])
})

test('latencies are in microseconds up to a millisecond, and in milliseconds up to a second', () => {
  expect([17.4, 999, 1500, 1.25e6].map(duration)).toEqual(['17 us', '999 us', '1.50 ms', '1.25 s'])
})

test('the terminal table is aligned, by workload, with spreads where there were several rounds', () => {
  expect(terminalTable(rows, 'haproxy')).toBe(
    [
      'small',
      '  subject    work done  per proxy-CPU-second  ratio to haproxy     p50      p99',
      '  haproxy  51.0k req/s   61.0k (60.0k-62.0k)  1.00 (1.00-1.00)  750 us  1.50 ms',
      '  ours     51.0k req/s   30.5k (30.0k-31.0k)  0.50 (0.50-0.50)  750 us  1.50 ms',
      '  broken   FAILED  a | b',
      '',
      'memory',
      '  subject   work done  per proxy-CPU-second  ratio to haproxy  p50  p99',
      '  haproxy  3.30 req/s                     -              1.00    -    -',
    ].join('\n'),
  )
})

test('a latency is shown as a length of time', () => {
  const row = measuredRow({ ...named('wait', 'haproxy'), unit: 'us' }, [{ value: 3900 }], [])
  expect(terminalTable([row], 'haproxy')).toContain('haproxy    3.90 ms')
})

test('the Markdown table has as many cells in every line', () => {
  const lines = markdownTable(rows, 'haproxy')
    .split('\n')
    .filter((line) => line.startsWith('|'))
  expect(lines).toContain('| broken | FAILED | a \\| b |  |  |  |')
  expect(new Set(lines.map((line) => line.replaceAll('\\|', '').split('|').length))).toEqual(new Set([8]))
})

test('what a proxy adds to a latency stands beside it', () => {
  const sample = { value: 100, p50Us: 120, p99Us: 900 }
  const row = measuredRow(named('wait', 'ours'), [sample], [], [{ value: 80, p50Us: 80, p99Us: 1000 }])
  expect(terminalTable([row], 'haproxy')).toContain('120 us (+40 us)  900 us (-100 us)')
})
