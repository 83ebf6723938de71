import { expect, test } from 'vitest'
import { parseLatencies, parsePgbench } from './pgbench.ts'

const report = (processed: number, failed: number): string => `transaction type: <builtin: select only>
number of transactions actually processed: ${processed}
number of failed transactions: ${failed} (0.000%)
latency average = 1.234 ms
tps = 8490.123456 (without initial connection time)
`

test('transactions and their rate are read', () => {
  expect(parsePgbench(report(42_000, 0))).toEqual({ transactions: 42_000, perSecond: 8490.123456 })
})

test('a failed transaction fails the run, and so does none at all', () => {
  expect(() => parsePgbench(report(42_000, 3))).toThrow('3 transactions failed')
  expect(() => parsePgbench(report(0, 0))).toThrow('no transaction')
  expect(() => parsePgbench('Segmentation fault')).toThrow('printed nothing like')
})

test('latencies are the third column, in order', () => {
  expect(parseLatencies('0 1 900 0 1700000000 1\n1 1 70 0 1700000000 2\n')).toEqual([70, 900])
})
