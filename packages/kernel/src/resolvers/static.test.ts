import { describe, expect, it } from 'vitest'
import { never, request } from '../__fixtures__/request.ts'
import { backend } from '../backend.ts'
import { fixedResolver } from './fixed.ts'
import { toResolver } from './function.ts'
import { staticResolver } from './static.ts'

const notFound = expect.objectContaining({ code: 'PROXY_RESOLVE_NOT_FOUND', status: 404 })

describe('staticResolver', () => {
  const resolver = staticResolver({
    alpha: 'a:1',
    'www.example.com': 'www:1',
    '*.example.com': 'any:1',
    '*.eu.example.com': { endpoint: 'eu:1', state: 'asleep' },
  })
  const idOf = (key: string): unknown => (resolver.resolve(request(key), never) as { id: string }).id

  it('answers an exact key at once, always with the same backend', () => {
    expect(idOf('alpha')).toBe('a:1')
    expect(resolver.resolve(request('alpha'), never)).toBe(resolver.resolve(request('alpha'), never))
  })

  it('prefers the exact key, then the longest suffix', () => {
    expect(idOf('www.example.com')).toBe('www:1')
    expect(idOf('shop.example.com')).toBe('any:1')
    expect(idOf('a.b.example.com')).toBe('any:1')
    expect(idOf('shop.eu.example.com')).toBe('eu:1')
    expect(idOf('eu.example.com')).toBe('any:1')
  })

  it.each(['Alpha', 'beta', '', 'example.com', '.example.com', 'badexample.com', '__proto__', 'constructor'])(
    'does not know %j',
    (key) => expect(() => resolver.resolve(request(key), never)).toThrowError(notFound),
  )

  it('gives the rest to *', () => {
    const open = staticResolver(
      new Map([
        ['*', 'rest:1'],
        ['alpha', 'a:1'],
      ]),
    )
    expect(open.resolve(request('whoever'), never)).toMatchObject({ id: 'rest:1' })
    expect(open.resolve(request('alpha'), never)).toMatchObject({ id: 'a:1' })
    expect(open.stats?.()).toEqual({ entries: 2 })
  })

  it.each(['', 'a*', '*a', '*.', '*.*', '**', 'a.*.b'])('refuses the key %j', (key) => {
    expect(() => staticResolver({ [key]: 'a:1' })).toThrowError(
      expect.objectContaining({ code: 'PROXY_CONFIG_INVALID' }),
    )
  })

  it('refuses a bad endpoint when it is made, with the text', () => {
    expect(() => staticResolver({ a: 'db:99999' })).toThrowError(/"db:99999"/)
  })
})

describe('fixedResolver', () => {
  it('answers every key alike', () => {
    const resolver = fixedResolver('db:1')
    expect(resolver.resolve(request('a'), never)).toBe(backend('db:1'))
    expect(resolver.resolve(request('b'), never)).toBe(backend('db:1'))
    expect(() => fixedResolver('db:')).toThrowError(/"db:"/)
  })
})

describe('toResolver', () => {
  it('makes a resolver of a function and hands a resolver back', () => {
    const resolver = toResolver(({ key }) => `${key}:80`)
    expect(resolver.resolve(request('a'), never)).toBe('a:80')
    expect(toResolver(resolver)).toBe(resolver)
    expect(
      toResolver(function mine() {
        return 'a'
      }).name,
    ).toBe('mine')
  })

  it.each([undefined, null, {}, 'db:1'])('refuses %j', (value) => {
    expect(() => toResolver(value as never)).toThrowError(expect.objectContaining({ code: 'PROXY_CONFIG_INVALID' }))
  })
})
