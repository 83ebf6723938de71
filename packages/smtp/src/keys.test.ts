import { describe, expect, test } from 'vitest'
import { domainKey, keyAt, pathOf, recipientKey, userKey } from './keys.ts'
import { loginUser, parseAuth, plainUser } from './sasl.ts'

const base64 = (text: string): string => Buffer.from(text).toString('base64')

describe('domains', () => {
  test.each([
    ['Alpha.Example', 'alpha.example'],
    ['alpha.example.', 'alpha.example'],
    ['alpha', 'alpha'],
    ['_dmarc.a-b.c1', '_dmarc.a-b.c1'],
    ['bücher.example', 'xn--bcher-kva.example'],
    ['[192.0.2.1]', undefined],
    ['[IPv6:::1]', undefined],
    ['a..b', undefined],
    ['-a', undefined],
    ['', undefined],
    ['.', undefined],
    ['a b', undefined],
    ['a/b', undefined],
    ['x'.repeat(256), undefined],
  ])('%s is the key %s', (domain, key) => {
    expect(domainKey(domain)).toBe(key)
  })
})

describe('recipients', () => {
  test.each([
    ['TO:<bob@Alpha.example>', 'alpha.example'],
    ['to: <bob@alpha> NOTIFY=NEVER ORCPT=rfc822;x@beta', 'alpha'],
    ['TO:<@relay,@b:bob@alpha>', 'alpha'],
    ['TO:<"a@b> c"@alpha>', 'alpha'],
    ['TO:<"a\\"@beta"@alpha>', 'alpha'],
    ['TO:<bob%beta@alpha>', 'alpha'],
    ['TO:<postmaster>', undefined],
    ['TO:<bob@[192.0.2.1]>', undefined],
    ['TO:<>', undefined],
    ['TO:bob@alpha', undefined],
    ['TO:<bob@alpha', undefined],
    ['TO:<bob@alpha>x', undefined],
    ['TO:<bob@alpha><eve@beta>', undefined],
    ['FROM:<bob@alpha>', undefined],
  ])('%s is for %s', (argument, key) => {
    expect(recipientKey(argument)).toBe(key)
  })

  test('a path is what stands between the brackets', () => {
    expect(pathOf('FROM:<>', 'FROM:')).toBe('')
    expect(pathOf('FROM: <a@b> SIZE=1', 'FROM:')).toBe('a@b')
    expect(pathOf('FROM:<a@b>', 'TO:')).toBeUndefined()
  })
})

describe('users', () => {
  test.each([
    ['bob@alpha.example', 'alpha.example'],
    ['bob.alpha', 'alpha'],
    ['a.b.alpha', 'alpha'],
    ['bob', undefined],
    ['@alpha', undefined],
    ['.alpha', undefined],
    ['bob@', undefined],
  ])('%s is of %s', (user, key) => {
    expect(userKey(user)).toBe(key)
  })

  test('the user of PLAIN is the one whose password it is', () => {
    expect(plainUser(base64('eve\0bob@alpha\0secret'))).toBe('bob@alpha')
    for (const text of ['', 'bob', '\0\0secret', '\0a\nb@alpha\0secret'])
      expect(plainUser(base64(text))).toBeUndefined()
    for (const response of ['=', '*', 'a b', '!']) expect(plainUser(response)).toBeUndefined()
  })

  test('the user of LOGIN comes first', () => {
    expect(loginUser(base64('bob.alpha'))).toBe('bob.alpha')
    expect(loginUser('=')).toBeUndefined()
  })

  test.each([
    ['plain AGEAYg==', { mechanism: 'PLAIN', initial: 'AGEAYg==' }],
    ['SCRAM-SHA-256', { mechanism: 'SCRAM-SHA-256', initial: undefined }],
    ['PLAIN a b', undefined],
    ['', undefined],
  ])('AUTH %s', (argument, auth) => {
    expect(parseAuth(argument)).toEqual(auth)
  })
})

describe('the first source that names a tenant decides', () => {
  test.each([
    ['helo', ['helo'], { helo: 'a' }, { key: 'a' }],
    ['helo', ['helo'], {}, undefined],
    ['helo', ['sni', 'helo'], { helo: 'a', sni: 'b' }, { key: 'b' }],
    ['helo', ['sni', 'helo'], { helo: 'a' }, { key: 'a' }],
    ['helo', ['sni', 'helo'], { helo: 'a', maySecure: true }, 'later'],
    ['mail', ['sni', 'helo'], { helo: 'a', maySecure: true }, { key: 'a' }],
    ['helo', ['user', 'helo'], { helo: 'a' }, 'later'],
    ['auth', ['user', 'helo'], { helo: 'a', user: 'b' }, { key: 'b' }],
    ['auth', ['user', 'helo'], { helo: 'a' }, { key: 'a' }],
    ['mail', ['user', 'helo'], { helo: 'a' }, { key: 'a' }],
    ['mail', ['user', 'recipient'], {}, 'later'],
    ['auth', ['recipient'], {}, 'later'],
    ['rcpt', ['recipient'], { recipient: 'c' }, { key: 'c' }],
    ['rcpt', ['recipient', 'helo'], { helo: 'a' }, { key: 'a' }],
    ['rcpt', ['recipient'], { helo: 'a' }, undefined],
  ] as const)('at %s, of %j, knowing %j: %j', (stage, sources, facts, found) => {
    expect(keyAt(stage, facts, sources)).toEqual(found)
  })
})
