import { expect, test } from 'vitest'
import { around, reportOf, workload } from './__fixtures__/reports.ts'
import { goalsTable } from './goals-table.ts'

const lineWith = (table: string, text: string): string[] =>
  table
    .split('\n')
    .find((line) => line.includes(text))!
    .split('|')
    .slice(2, -1)
    .map((cell) => cell.trim())

test('a ratio is met by its median, on each transport by its own bound', () => {
  const table = goalsTable(
    reportOf(workload('tcp', 'rr-64', { 'gateway-epoll': around(109), gateway: around(80), haproxy: around(100) })),
  )
  expect(lineWith(table, '64 B, 50')).toEqual([
    '>= 1.1 / 0.75',
    '1.09 (1.09-1.09) **not met**',
    '0.80 (0.80-0.80) met',
    '[why](epoll.md)',
  ])
})

test('less is better for memory and added time, which are values', () => {
  const idle = workload('tcp', 'idle', { 'gateway-epoll': [{ value: 0.5 }], gateway: [{ value: 5.1 }] })
  const connect = workload('tcp', 'connect', {
    'gateway-epoll': around(1, 180),
    gateway: around(1, 260),
    direct: around(1, 100),
  })
  const table = goalsTable(reportOf(idle, connect))
  expect(lineWith(table, 'user memory')).toEqual([
    '<= 0.5 / 5 KiB',
    '0.50 (0.50-0.50) met',
    '5.10 (5.10-5.10) **not met**',
    '[why](sessions.md)',
  ])
  expect(lineWith(table, 'a new TCP connection').slice(1, 3)).toEqual(['80 (80-80) met', '160 (160-160) **not met**'])
})

test('the npm peer to beat is the best one; p99 must not be worse', () => {
  const get = workload(
    'http',
    'get',
    {
      'gateway-epoll': around(400, 90),
      gateway: around(200, 110),
      nginx: around(300, 100),
      'http-proxy': around(50),
      'fast-proxy': around(100),
    },
    { reference: 'nginx' },
  )
  const table = goalsTable(reportOf(get))
  expect(lineWith(table, 'GET 13 B, against the best npm peer').slice(1, 3)).toEqual([
    '4.00 (4.00-4.00) met',
    '2.00 (2.00-2.00) **not met**',
  ])
  expect(lineWith(table, 'GET 13 B, p99').slice(1, 3)).toEqual(['0.90 (0.90-0.90) met', '1.10 (1.10-1.10) **not met**'])
})

test('HTTP/2 has a line for each workload there is; what was not measured is neither met nor missed', () => {
  const table = goalsTable(
    reportOf(workload('http2', 'get', { gateway: around(90), nginx: around(100) }, { reference: 'nginx' })),
  )
  expect(lineWith(table, 'get of http2')).toEqual([
    '>= 1',
    'not measured',
    '0.90 (0.90-0.90) **not met**',
    '[why](http2.md)',
  ])
})
