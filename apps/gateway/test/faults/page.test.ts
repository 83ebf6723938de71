import { existsSync, readFileSync } from 'node:fs'
import { resolve } from 'node:path'
import { describe, expect, it } from 'vitest'

const page = readFileSync(resolve(import.meta.dirname, '../../../../docs/explanation/faults.md'), 'utf8')
const tests = resolve(import.meta.dirname, '..')

/** The last cell of every row that names a test: its file, and its title or the beginning of it. */
const rows = [...page.matchAll(/^\| (.+?) \|.*\| `([^`]+)`: (.+) \|$/gm)].map(([, fault, file, title]) => ({
  fault: fault!,
  file: file!,
  title: title!,
}))

describe('docs/explanation/faults.md', () => {
  it.each(rows)('$fault', ({ file, title }) => {
    const path = resolve(tests, file)
    expect(existsSync(path), path).toBe(true)
    expect(readFileSync(path, 'utf8')).toContain(title)
  })

  it('has a test for every fault', () => {
    const [table = ''] = page.split('## A herd')
    const faults = table.split('\n').filter((line) => /^\| (?!fault|-)/.test(line) && line.split('|').length > 5)
    expect(rows).toHaveLength(faults.length)
    expect(rows.length).toBeGreaterThan(15)
  })
})
