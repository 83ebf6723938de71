import { readdirSync, readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { acts, eventsPath, reads } from './api/routes.ts'

const page = readFileSync(new URL('../../../../docs/reference/admin-api.md', import.meta.url), 'utf8')
const folder = new URL('./api/', import.meta.url)
const sources = readdirSync(folder)
  .filter((name) => name.endsWith('.ts'))
  .map((name) => readFileSync(new URL(name, folder), 'utf8'))

/** Members of the interfaces that describe answers. */
function members(): string[] {
  const bodies = sources.flatMap((source) => [
    ...source.matchAll(
      /export interface (?:\w+View|Overview|Rates|FinishedWake|WakeUnderWay|Histogram|HistoryPoint|OperatorSnapshot|LoggedEvent)\b[^{]*\{([^]*?)\n\}/g,
    ),
  ])
  return bodies.flatMap(([, body = '']) => [...body.matchAll(/readonly (\w+)\??:/g)].map(([, name = '']) => name))
}

describe('docs/reference/admin-api.md', () => {
  it('has a section for every path, and no other', () => {
    const documented = [...page.matchAll(/^### `(\w+ [^`]+)`$/gm)].map(([, title]) => title)
    const served = [
      ...[...Object.keys(reads), eventsPath].map((path) => `GET ${path}`),
      ...Object.keys(acts).map((path) => `POST ${path}`),
    ]
    expect(new Set(documented)).toEqual(new Set(served))
    expect(documented).toHaveLength(served.length)
  })

  it('names every field of every answer', () => {
    const fields = [...new Set(members())]
    expect(fields.length).toBeGreaterThan(50)
    expect(fields.filter((name) => !page.includes(`\`${name}\``))).toEqual([])
  })
})
