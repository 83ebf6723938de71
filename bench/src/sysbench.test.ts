import { expect, test } from 'vitest'
import { parseSysbench } from './sysbench.ts'

const report = (
  transactions: number,
  errors: number,
  reconnects: number,
): string => `Latency histogram (values are in milliseconds)
       value  ------------- distribution ------------- count
       0.024 |*                                        10
       0.120 |**************************************** 70
       0.500 |****                                     18
       8.428 |                                         2

SQL statistics:
    transactions:                        ${transactions}  (27854.06 per sec.)
    ignored errors:                      ${errors}      (0.00 per sec.)
    reconnects:                          ${reconnects}      (0.00 per sec.)
`

test('transactions, their rate and their latencies are read', () => {
  expect(parseSysbench(report(55_790, 0, 0))).toEqual({
    transactions: 55_790,
    perSecond: 27_854.06,
    p50Us: 120,
    p99Us: 8428,
  })
})

test('an error or a broken connection fails the run, and so does a run without transactions', () => {
  expect(() => parseSysbench(report(55_790, 2, 0))).toThrow('2 ignored errors')
  expect(() => parseSysbench(report(55_790, 0, 1))).toThrow('1 reconnects')
  expect(() => parseSysbench(report(0, 0, 0))).toThrow('no transaction')
  expect(() => parseSysbench('Segmentation fault')).toThrow('printed nothing like')
})

test('without a histogram there are no figures', () => {
  expect(() => parseSysbench(report(1, 0, 0).replaceAll('|', ' '))).toThrow('no histogram')
})
