import { expect, test } from 'vitest'
import { measuredRow } from '../row.ts'
import { scalingSuites } from '../suites/scaling.ts'
import { tcpSuite } from '../suites/tcp.ts'
import { around, machine, reportOf, workload } from './__fixtures__/reports.ts'
import { merged, ordered, rowsOf, serialised } from './data.ts'

const old = workload('tcp', 'rr', { haproxy: around(100) })
const other = workload('tcp', 'rate', { haproxy: around(10) })
const fresh = workload('tcp', 'rr', { haproxy: around(200) })

test('what is measured again takes the place of what was, the rest stays', () => {
  expect(merged(reportOf(old, other), machine, [fresh]).workloads).toEqual([fresh, other])
  expect(merged(undefined, machine, [fresh]).workloads).toEqual([fresh])
  const elsewhere = workload('http', 'rr', {})
  expect(merged(reportOf(old), machine, [elsewhere]).workloads).toEqual([old, elsewhere])
})

test('workloads are in the order of their suites; those that are gone are dropped', () => {
  const gone = workload('tcp', 'gone', {})
  const suites = [tcpSuite, scalingSuites[0]!].map((suite) => ({
    ...suite,
    workloads: suite.workloads.filter(({ id }) => ['rr-64', 'rate', 'get'].includes(id)),
  }))
  const [first, second, third] = [
    workload('tcp', 'rr-64', {}),
    workload('tcp', 'rate', {}),
    workload('scaling-node', 'get', {}),
  ]
  expect(ordered(reportOf(third, second, gone, first), suites).workloads).toEqual([first, second, third])
})

test('figures of two machines are never in one report', () => {
  expect(merged(reportOf(old, other), { ...machine, cores: 8 }, [fresh]).workloads).toEqual([fresh])
  const newer = { ...machine, node: 'v26.0.0' }
  expect(merged(reportOf(old, other), newer, [fresh])).toEqual({ machine: newer, workloads: [fresh, other] })
})

test('rows come back as they were measured', () => {
  const [mine, theirs, unproxied] = [around(150, 300), around(100, 200), around(400, 50)]
  const measured = workload('tcp', 'rr', { gateway: mine, haproxy: theirs, direct: unproxied })
  const name = { suite: 'tcp', id: 'rr', workload: 'rr of tcp', subject: 'gateway', version: '1', unit: 'req/s' }
  expect(rowsOf(measured)[0]).toEqual(measuredRow(name, mine, theirs, unproxied))
  expect(rowsOf(measured)[2]).toMatchObject({ subject: 'direct', addedP50Us: null })
})

test('a failure stays one, and gives nobody a ratio', () => {
  const entries = [
    { subject: 'haproxy', version: '1', samples: [], failed: 'wrong byte' },
    { subject: 'gateway', version: '1', samples: around(100) },
  ]
  const [reference, mine] = rowsOf({ ...old, entries })
  expect(reference).toMatchObject({ failed: 'wrong byte', value: null })
  expect(mine).toMatchObject({ failed: null, ratio: null })
})

test('the file is JSON of the report, with figures rounded', () => {
  const report = reportOf(old, workload('tcp', 'x', { haproxy: [{ value: 1.23456789 }] }))
  const read = JSON.parse(serialised(report)) as typeof report
  expect(read.workloads[0]).toEqual(old)
  expect(read.workloads[1]!.entries[0]!.samples).toEqual([{ value: 1.2346 }])
  expect(serialised(read)).toBe(serialised(report))
})
