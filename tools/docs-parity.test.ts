import { globSync, readFileSync } from 'node:fs'
import { resolve } from 'node:path'
import { errorCodes, resolveErrorKinds } from '@proxy/kernel'
import { describe, expect, it } from 'vitest'
import { optionsPage, renderOptions } from './options-reference.ts'

const root = resolve(import.meta.dirname, '..')
const read = (path: string) => readFileSync(resolve(root, path), 'utf8')

/** The cells of every table row whose first cell is code. */
function rows(path: string): string[][] {
  return [...read(path).matchAll(/^\| `([^|]+)` \|(.*)\|$/gm)].map(([, first = '', rest = '']) => [
    first,
    ...rest.split('|').map((cell) => cell.trim()),
  ])
}

describe('docs/reference/errors.md', () => {
  const documented = rows('docs/reference/errors.md').filter(([code]) => code?.startsWith('PROXY_'))

  it('lists every error code, and no other, with its origin and whether it may be retried', () => {
    const facts = Object.entries(errorCodes).map(([code, { origin, retryable }]) => [
      code,
      origin,
      retryable ? 'yes' : 'no',
    ])
    expect(documented.map((cells) => cells.slice(0, 3))).toEqual(facts)
  })

  it('gives the status of every kind of resolve error', () => {
    for (const { code, status } of Object.values(resolveErrorKinds)) {
      expect(documented.find(([name]) => name === code)?.[3]).toContain(`(${status})`)
    }
  })

  it.each(['SessionOutcome', 'CloseReason'])('explains every %s', (type) => {
    const union =
      new RegExp(`export type ${type} =([^]*?)\\n\\n`).exec(read('packages/kernel/src/contracts.ts'))?.[1] ?? ''
    const members = [...union.matchAll(/'(\w+)'/g)].map(([, member]) => member)
    expect(members.length).toBeGreaterThan(3)
    const text = read('docs/reference/errors.md')
    for (const member of members) expect(text).toContain(`\`${member}\``)
  })
})

describe('docs/reference/hooks.md', () => {
  it('lists every hook of every package, and no other', () => {
    const sources = globSync('packages/*/src/**/*.ts', { cwd: root }).filter((path) => !path.endsWith('.test.ts'))
    const declared = sources.flatMap((path) =>
      [...read(path).matchAll(/interface HookMap \{([^]*?)\n {0,2}\}/g)].flatMap(([, body = '']) =>
        [...body.matchAll(/^\s*'([a-z]+:[a-z]+)':/gm)].map(([, name]) => name),
      ),
    )
    const documented = rows('docs/reference/hooks.md').map(([name]) => name)
    expect(new Set(documented)).toEqual(new Set(declared))
    expect(documented).toHaveLength(declared.length)
  })
})

describe(optionsPage, () => {
  it('is made from the docstrings as they are: npm run docs:update', () => {
    expect(read(optionsPage)).toBe(renderOptions())
  })

  it('has a meaning for every option', () => {
    expect(read(optionsPage)).not.toMatch(/\| {2}\|$/m)
  })
})

describe('docs/reference/contracts.md', () => {
  it('speaks of every public interface', () => {
    const source = read('packages/kernel/src/contracts.ts')
    const names = [...source.matchAll(/^export (?:interface|type) (\w+)/gm)].map(([, name]) => name)
    const text = read('docs/reference/contracts.md')
    expect(names.filter((name) => !text.includes(`\`${name}\``))).toEqual([])
  })
})
