import { readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { metrics } from './metrics.ts'

const page = readFileSync(new URL('../../../docs/reference/metrics.md', import.meta.url), 'utf8')

describe('docs/reference/metrics.md', () => {
  it('has every metric as the code has it, and no other', () => {
    const rows = page.split('\n').filter((line) => line.startsWith('| `proxy_'))
    const expected = Object.values(metrics).map(
      ({ name, type, labels, help }) =>
        `| \`${name}\` | ${type} | ${labels.map((label) => `\`${label}\``).join(', ')} | ${help} |`,
    )
    expect(rows).toEqual(expected)
  })
})

describe('metrics', () => {
  it.each(Object.values(metrics))('$name is named as Prometheus asks', ({ name, type }) => {
    expect(name).toMatch(/^proxy_[a-z_]+$/)
    expect(name.endsWith('_total')).toBe(type === 'counter')
    if (type === 'histogram') expect(name).toMatch(/_seconds$/)
  })
})
