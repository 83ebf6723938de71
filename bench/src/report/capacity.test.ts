import { expect, test } from 'vitest'
import { around, reportOf, workload } from './__fixtures__/reports.ts'
import { capacityOf, costsOf } from './capacity.ts'
import { capacityTables } from './capacity-tables.ts'

const costs = { userKib: 1, kernelKib: 6, connectionUs: 100, exchangeUs: 10, idleUs: 1 }

test('memory decides how many connections fit, CPU time how many a second', () => {
  const { connections, connectionsPerSecond, exchangesPerSecond } = capacityOf(costs)
  expect(connections).toBeCloseTo((28 * 2 ** 20) / 7, 0)
  expect(connectionsPerSecond).toBeCloseTo(8 * 0.7 * 10_000, 6)
  expect(exchangesPerSecond).toBeCloseTo(8 * 0.7 * 100_000, 6)
  expect(capacityOf(costs, 7).connections).toBeCloseTo((28 * 2 ** 20) / 14, 0)
})

test('what is left beside what the original held', () => {
  const { originalGib, originalCores, exchangesBeside } = capacityOf(costs)
  expect(originalGib).toBeCloseTo((672_348 * 7) / 2 ** 20, 6)
  expect(originalCores).toBeCloseTo(0.672348, 6)
  expect(exchangesBeside).toBeCloseTo((5.6e6 - 672_348 - 1_806_700) / 10, 6)
  expect(capacityOf({ ...costs, connectionUs: 1000 }).exchangesBeside).toBe(0)
})

const report = reportOf(
  workload('tcp', 'idle', { 'gateway-epoll': [{ value: 0.5 }] }),
  workload('tcp', 'idle-kernel', { 'gateway-epoll': [{ value: 6 }] }),
  workload('tcp', 'idle-cpu', { 'gateway-epoll': [{ value: -0.1 }] }),
  workload('tcp', 'rate', { 'gateway-epoll': around(10_000) }),
  workload('tcp', 'rr-64', { 'gateway-epoll': around(50_000) }),
)

test('costs are the inverse of the rows; noise below nothing is nothing', () => {
  expect(costsOf(report, 'gateway-epoll')).toEqual({
    userKib: 0.5,
    kernelKib: 6,
    connectionUs: 100,
    exchangeUs: 20,
    idleUs: 0,
  })
  expect(costsOf(report, 'gateway')).toBeUndefined()
})

test('the tables have a column for what was measured', () => {
  const tables = capacityTables(report)
  expect(tables).toContain('| measured | epoll transport |')
  expect(tables).toContain('| memory for each | 33 KB | 6.5 KiB |')
  expect(capacityTables(reportOf())).toBe('Not measured yet.')
})
