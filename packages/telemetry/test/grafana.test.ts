import { readFileSync } from 'node:fs'
import { metrics } from '@proxy/telemetry'
import { describe, expect, it } from 'vitest'

interface Panel {
  readonly title: string
  readonly targets?: readonly { readonly expr: string }[]
}

const file = new URL('../../../deploy/grafana/gateway.json', import.meta.url)
const dashboard = JSON.parse(readFileSync(file, 'utf8')) as { readonly panels: readonly Panel[] }

const labelsOf = new Map(
  Object.values(metrics).flatMap(({ name, type, labels }): [string, readonly string[]][] =>
    type === 'histogram' ? [[`${name}_bucket`, [...labels, 'le']]] : [[name, labels]],
  ),
)

const queries = dashboard.panels.flatMap(({ title, targets = [] }) => targets.map(({ expr }) => [title, expr] as const))

describe('deploy/grafana/gateway.json', () => {
  it.each(queries)('%s asks for what /metrics has: %s', (_title, query) => {
    const [name = ''] = /proxy_[a-z_]+/.exec(query) ?? []
    const labels = [...(labelsOf.get(name) ?? []), 'instance']
    expect([...labelsOf.keys()]).toContain(name)
    const used = [...query.matchAll(/([a-z_]+)=~?"/g)].map(([, label]) => label)
    const grouped = [...query.matchAll(/by \(([^)]*)\)/g)].flatMap(([, list = '']) => list.split(/,\s*/))
    for (const label of [...used, ...grouped]) expect(labels).toContain(label)
  })

  it('shows every metric', () => {
    const text = queries.map(([, query]) => query).join('\n')
    const missing = [...labelsOf.keys()].filter((name) => !new RegExp(`${name}\\b`).test(text))
    // Rates of what was accepted, and sums over what is shown by its parts.
    expect(missing).toEqual([
      'proxy_session_duration_seconds_bucket',
      'proxy_listener_accepted_total',
      'proxy_tenant_sessions_total',
      'proxy_tenant_bytes_total',
      'proxy_route_cache_entries',
    ])
  })
})
