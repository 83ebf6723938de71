import { describe, expect, it } from 'vitest'
import { foldServerName, isCertificateName, isServerName, wildcardOf } from './server-name.ts'

describe('server names', () => {
  it('are folded', () => {
    expect(foldServerName('Alpha.EXAMPLE.com.')).toBe('alpha.example.com')
    expect(foldServerName('alpha')).toBe('alpha')
  })

  it.each(['a', 'a.b', '_a.b-c.d', '10.0.0.1', `${'a'.repeat(63)}.test`])('%s is one', (name) => {
    expect(isServerName(name)).toBe(true)
  })

  it.each([
    '',
    '.',
    'a..b',
    '.a',
    'a.',
    '-a.b',
    'a-.b',
    'a b',
    'a/b',
    'ä',
    '*.a',
    `${'a'.repeat(64)}.test`,
    'a.'.repeat(130),
  ])('%o is none', (name) => {
    expect(isServerName(name)).toBe(false)
  })

  it('are covered by one wildcard', () => {
    expect(wildcardOf('a.b.c')).toBe('*.b.c')
    expect(wildcardOf('a')).toBeUndefined()
  })

  it('of certificates may begin with a wildcard, and have none elsewhere', () => {
    expect(isCertificateName('*.example.com')).toBe(true)
    for (const name of ['*', '*.', 'a.*.com', '*a.com', '*.*.com']) expect(isCertificateName(name)).toBe(false)
  })
})
