import { expect, test } from 'vitest'
import { failedRow, measuredRow, type RowName } from './row.ts'

const name: RowName = { suite: 'tcp', id: 'w', workload: 'w', subject: 's', version: '1', unit: 'req/s' }

test('a row has the medians, and the ratio of the work per proxy-CPU-second', () => {
  const mine = [
    { value: 10, perProxyCpuSecond: 20, p50Us: 1, p99Us: 5 },
    { value: 30, perProxyCpuSecond: 60, p50Us: 3, p99Us: 7 },
    { value: 20, perProxyCpuSecond: 40, p50Us: 2, p99Us: 6 },
  ]
  const reference = mine.map(() => ({ value: 1000, perProxyCpuSecond: 80 }))
  expect(measuredRow(name, mine, reference)).toEqual({
    ...name,
    value: 20,
    perProxyCpuSecond: 40,
    ratio: 0.5,
    ratioMin: 0.25,
    ratioMax: 0.75,
    min: 20,
    max: 60,
    p50Us: 2,
    p99Us: 6,
    addedP50Us: null,
    addedP99Us: null,
    rounds: 3,
    samples: mine,
    failed: null,
  })
})

test('what a proxy adds to a latency is taken round by round', () => {
  const mine = [110, 300, 220].map((p50Us) => ({ value: p50Us, p50Us, p99Us: p50Us * 2 }))
  const unproxied = [100, 250, 210].map((p50Us) => ({ value: p50Us, p50Us }))
  expect(measuredRow(name, mine, [], unproxied)).toMatchObject({ addedP50Us: 10, addedP99Us: null })
})

test('what has no CPU time on either side is compared by its value', () => {
  const row = measuredRow(name, [{ value: 12 }], [{ value: 3 }])
  expect(row).toMatchObject({ perProxyCpuSecond: null, ratio: 4, min: 12, max: 12, p50Us: null })
})

test('a direct connection has no ratio to a proxy', () => {
  expect(measuredRow(name, [{ value: 100 }], [{ value: 50, perProxyCpuSecond: 60 }]).ratio).toBeNull()
})

test('without figures of the reference there is no ratio', () => {
  expect(measuredRow(name, [{ value: 100, perProxyCpuSecond: 1 }], []).ratio).toBeNull()
})

test('a failed row has a reason and no figure at all', () => {
  const { failed, rounds, samples, suite, id, workload, subject, version, unit, ...figures } = failedRow(
    name,
    'wrong byte',
  )
  expect({ failed, rounds, samples, suite, id, workload, subject, version, unit }).toEqual({
    ...name,
    failed: 'wrong byte',
    rounds: 0,
    samples: [],
  })
  expect(Object.values(figures).every((figure) => figure === null)).toBe(true)
})
