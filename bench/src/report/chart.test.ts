import { expect, test } from 'vitest'
import { measuredRow, type Sample } from '../row.ts'
import { around } from './__fixtures__/reports.ts'
import { chart } from './chart.ts'

const row = (subject: string, samples: readonly Sample[], reference: readonly Sample[], id = 'rr') =>
  measuredRow(
    { suite: 'tcp', id, workload: `work ${id} <&>`, subject, version: '1', unit: 'req/s' },
    samples,
    reference,
  )

const reference = around(100)
const mine = [
  { value: 1, perProxyCpuSecond: 75 },
  { value: 1, perProxyCpuSecond: 250 },
]
const rows = [row('gateway', mine, reference), row('haproxy', reference, reference)]

const attributes = (svg: string, element: string): Record<string, string>[] =>
  [...svg.matchAll(new RegExp(`<${element} ([^>]*)/>`, 'g'))].map(([, all]) =>
    Object.fromEntries([...all!.matchAll(/([\w-]+)="([^"]*)"/g)].map(([, name, value]) => [name!, value!])),
  )

test('a bar ends at its ratio, its whisker spans the rounds, and 1 is marked', () => {
  const svg = chart([{ reference: 'haproxy', rows }])
  const [ours, theirs] = attributes(svg, 'rect')
  const lines = attributes(svg, 'line')
  const one = Number(lines.find((line) => line['class'] === 'axis')!['x1'])
  const from = Number(theirs!['x'])
  expect(from + Number(theirs!['width'])).toBeCloseTo(one, 0)
  expect(Number(ours!['width']) / Number(theirs!['width'])).toBeCloseTo(1.5, 1)
  expect((Number(lines[0]!['x1']) - from) / (one - from)).toBeCloseTo(1, 1)
  expect((Number(lines[0]!['x2']) - from) / (one - from)).toBeCloseTo(2, 1)
  expect(svg).toContain('1.50 (1.00-2.00)')
  expect([ours!['class'], theirs!['class']]).toEqual(['ours', 'other'])
})

test('nothing is drawn outside of it', () => {
  const svg = chart([{ reference: 'haproxy', rows: [...rows, row('haproxy', reference, reference, 'rate')] }])
  const [, width, height] = /viewBox="0 0 (\d+) (\d+)"/.exec(svg)!.map(Number)
  for (const { x, y, width: w } of attributes(svg, 'rect')) {
    expect(Number(x) + Number(w)).toBeLessThanOrEqual(width!)
    expect(Number(y)).toBeLessThan(height!)
  }
})

test('names are text, not markup, and both schemes are served', () => {
  const svg = chart([{ reference: 'haproxy', rows }])
  expect(svg).toContain('work rr &lt;&amp;&gt;')
  expect(svg).toContain('prefers-color-scheme: dark')
})

test('what has no ratio of work per CPU second has no bar', () => {
  const latency = row('gateway', [{ value: 10 }], [{ value: 20 }])
  expect(chart([{ reference: 'haproxy', rows: [latency, row('gateway', mine, [])] }])).not.toContain('<rect')
})
