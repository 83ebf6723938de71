import { describe, expect, it } from 'vitest'
import { backend, normalise, woken } from './backend.ts'
import type { Backend, Resolution } from './contracts.ts'
import { GatewayError, ResolveError } from './errors.ts'

describe('backend', () => {
  it('makes a bare endpoint ready, with nothing else', () => {
    expect(backend('db:5432')).toEqual({
      id: 'db:5432',
      endpoints: [{ host: 'db', port: 5432 }],
      metadata: {},
      state: 'ready',
      connectTimeoutMs: undefined,
      tls: undefined,
      proxyProtocol: 0,
    })
  })

  it('reads every field of a record', () => {
    const made = backend({
      endpoint: ['10.0.0.1:1', { host: '::1', port: 2 }],
      id: 'mine',
      metadata: { region: 'eu' },
      timeoutMs: 250,
      state: 'asleep',
      tls: { mode: 'implicit', serverName: 'db.internal' },
      proxyProtocol: 2,
    })
    expect(made).toEqual({
      id: 'mine',
      endpoints: [
        { host: '10.0.0.1', port: 1 },
        { host: '::1', port: 2 },
      ],
      metadata: { region: 'eu' },
      state: 'asleep',
      connectTimeoutMs: 250,
      tls: { mode: 'implicit', serverName: 'db.internal' },
      proxyProtocol: 2,
    })
  })

  it('hands a ready-made backend back untouched', () => {
    const made = backend({ endpoint: 'db:1' })
    expect(backend(made)).toBe(made)
  })

  it('gives the same backend for the same bare string', () => {
    expect(backend('same:1')).toBe(backend('same:1'))
  })

  it('forgets bare strings beyond a bound', () => {
    const first = backend('first:1')
    for (let i = 0; i < 8_192; i++) backend(`host${i}:1`)
    expect(backend('first:1')).not.toBe(first)
  })

  it('takes a spread copy of a backend', () => {
    const copy: Backend = { ...backend({ endpoint: 'db:1', timeoutMs: 9 }), metadata: { a: 1 } }
    expect(backend(copy)).toEqual(copy)
    expect(backend(copy)).not.toBe(copy)
  })

  it('freezes all of it, and leaves the resolver its own objects', () => {
    const metadata = { a: 1 }
    const made = backend({ endpoint: ['db:1'], metadata, tls: 'implicit' })
    for (const part of [made, made.endpoints, made.endpoints[0], made.metadata, made.tls]) {
      expect(Object.isFrozen(part)).toBe(true)
    }
    metadata.a = 2
    expect(made.metadata).toEqual({ a: 1 })
  })

  it('tells backends apart by endpoints and TLS settings', () => {
    const ids = [
      backend('a:1'),
      backend({ endpoint: ['a:1', 'b:1'] }),
      backend({ endpoint: 'a:1', tls: 'implicit' }),
      backend({ endpoint: 'a:1', tls: 'negotiated' }),
      backend({ endpoint: 'a:1', tls: { mode: 'implicit', insecure: true } }),
      backend({ endpoint: 'a:1', tls: { mode: 'implicit', serverName: 'x' } }),
      backend({ endpoint: 'a:1', tls: { mode: 'implicit', ca: 'x' } }),
      backend({ endpoint: 'a:1', tls: { mode: 'implicit', ca: Buffer.from('y') } }),
    ].map(({ id }) => id)
    expect(new Set(ids).size).toBe(ids.length)
    expect(ids[1]).toBe('a:1,b:1')
    expect(ids[2]).toBe('a:1 implicit')
    expect(backend({ endpoint: 'a:1', tls: 'off' }).id).toBe('a:1')
    expect(backend({ endpoint: 'a:1', tls: { mode: 'implicit', ca: Buffer.from('x') } }).id).toBe(ids[6])
  })

  const nonsense: [string, unknown][] = [
    ['no port', 'db:'],
    ['an address in disguise', '127.1:80'],
    ['no endpoint at all', {}],
    ['an empty list', { endpoint: [] }],
    ['a list with a hole', { endpoint: ['db:1', undefined] }],
    ['undefined', undefined],
    ['null', null],
    ['a number', 5432],
    ['an unknown state', { endpoint: 'db', state: 'tired' }],
    ['an unknown TLS mode', { endpoint: 'db', tls: 'yes' }],
    ['an unknown PROXY version', { endpoint: 'db', proxyProtocol: 3 }],
    ['a timeout of 0', { endpoint: 'db', timeoutMs: 0 }],
    ['a timeout that is no number', { endpoint: 'db', timeoutMs: Number.NaN }],
  ]
  it.each(nonsense)('refuses %s without showing clients why', (_, resolution) => {
    const error = thrownBy(() => backend(resolution as Resolution))
    expect(error).toBeInstanceOf(ResolveError)
    expect(error).toMatchObject({ code: 'PROXY_RESOLVE_INTERNAL', message: 'looking up the tenant failed' })
    expect((error as Error).cause).toMatchObject({ code: 'PROXY_CONFIG_INVALID' })
  })

  it.each(nonsense)('refuses %s in the configuration with the reason', (_, resolution) => {
    const error = thrownBy(() => normalise(resolution as Resolution))
    expect(GatewayError.is(error) && error.code).toBe('PROXY_CONFIG_INVALID')
  })
})

describe('woken', () => {
  const sleeping = backend({ endpoint: 'db:1', id: 'x', state: 'asleep', metadata: { a: 1 }, tls: 'implicit' })

  it('is ready, whatever the answer says', () => {
    expect(woken(sleeping, sleeping)).toEqual({ ...sleeping, state: 'ready' })
    expect(woken(sleeping, { endpoint: 'new:1', state: 'asleep' })).toEqual(backend({ endpoint: 'new:1' }))
    const ready = backend('new:1')
    expect(woken(sleeping, ready)).toBe(ready)
  })

  it('keeps everything but the place when the answer is a place', () => {
    const moved = woken(sleeping, 'new:2')
    expect(moved).toEqual({ ...sleeping, state: 'ready', endpoints: [{ host: 'new', port: 2 }] })
    expect(backend(moved)).toBe(moved)
    expect(woken(backend({ endpoint: 'db:1', state: 'asleep', tls: 'implicit' }), 'new:2').id).toBe('new:2 implicit')
  })

  it('refuses nonsense without showing clients why', () => {
    expect(() => woken(sleeping, 'new:')).toThrowError(expect.objectContaining({ code: 'PROXY_RESOLVE_INTERNAL' }))
  })
})

function thrownBy(action: () => unknown): unknown {
  try {
    action()
  } catch (error) {
    return error
  }
  throw new Error('nothing was thrown')
}
