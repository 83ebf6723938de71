import { describe, expect, it } from 'vitest'
import { layerContext, type TestContext } from '../__fixtures__/layers.ts'
import { never, request } from '../__fixtures__/request.ts'
import { backend } from '../backend.ts'
import type { Backend, Disposer, Resolve } from '../contracts.ts'
import { ResolveError } from '../errors.ts'
import type { SessionEndEvent } from '../hooks.ts'
import { type LimitsOptions, limits } from './limits.ts'

const code = (name: string): unknown => expect.objectContaining({ code: name })
const FULL = code('PROXY_LIMIT_CONNECTIONS')

interface Limited {
  readonly context: TestContext
  readonly dispose: Disposer | undefined
  route(session: string, key?: string): Backend | Promise<Backend>
  end(session: string): void
}

function limited(options: LimitsOptions, next: Resolve = ({ key }) => backend(`${key}:1`)): Limited {
  const layer = limits(options)
  const context = layerContext()
  const dispose = layer.setup?.(context) ?? undefined
  const resolve = layer.resolve?.(next) as Resolve
  return {
    context,
    dispose,
    route: (session, key = 'alpha') => resolve(request(key, { session }), never),
    end: (session) => context.hooks.emit('session:end', { session } as SessionEndEvent),
  }
}

it('tells how many keys it knows', () => {
  const layer = limits({ maxConnectionsPerKey: 2 })
  const context = layerContext()
  layer.setup?.(context)
  const resolve = layer.resolve?.(() => backend('a:1')) as Resolve
  for (const key of ['a', 'a', 'b']) void resolve(request(key, { session: key }), never)
  expect(layer.stats?.()).toEqual({ keys: 2 })
  context.hooks.emit('session:end', { session: 'a' } as SessionEndEvent)
  expect(layer.stats?.()).toEqual({ keys: 1 })
})

describe('maxConnectionsPerKey', () => {
  it('refuses one session more than allowed, for that key alone', () => {
    const { route } = limited({ maxConnectionsPerKey: 2 })
    expect(route('s1')).toBe(backend('alpha:1'))
    void route('s2')
    expect(() => route('s3')).toThrowError(FULL)
    expect(route('s3', 'beta')).toBe(backend('beta:1'))
  })

  it('counts a session once, however often it is routed', () => {
    const { route, end } = limited({ maxConnectionsPerKey: 1 })
    for (let i = 0; i < 5; i++) void route('s1')
    end('s1')
    expect(route('s2')).toBeDefined()
    expect(() => route('s1')).toThrowError(FULL)
  })

  it('gives every place back when the session ends', () => {
    const { route, end } = limited({ maxConnectionsPerKey: 1 })
    void route('s1')
    void route('s1', 'beta')
    end('s1')
    end('s1')
    void route('s2')
    void route('s3', 'beta')
    expect(() => route('s4')).toThrowError(FULL)
    expect(() => route('s4', 'beta')).toThrowError(FULL)
  })

  it('does not count a route that fails', async () => {
    const failure = new ResolveError('NOT_FOUND')
    const sync = limited({ maxConnectionsPerKey: 1 }, () => {
      throw failure
    })
    for (const session of ['s1', 's2', 's2']) expect(() => sync.route(session)).toThrowError(failure)
    const later = limited({ maxConnectionsPerKey: 1 }, () => Promise.reject(failure))
    for (const session of ['s1', 's2', 's2']) await expect(later.route(session)).rejects.toBe(failure)
  })

  it('keeps the place of an earlier route when a later one fails', () => {
    let fail = false
    const { route } = limited({ maxConnectionsPerKey: 1 }, () => {
      if (fail) throw new ResolveError('UNAVAILABLE')
      return backend('alpha:1')
    })
    void route('s1')
    fail = true
    expect(() => route('s1')).toThrowError(code('PROXY_RESOLVE_UNAVAILABLE'))
    expect(() => route('s2')).toThrowError(FULL)
  })

  it('holds the place while the answer is on its way, also when the session ends first', async () => {
    const answer = Promise.withResolvers<Backend>()
    const { route, end } = limited({ maxConnectionsPerKey: 1 }, () => answer.promise)
    const waiting = route('s1')
    expect(() => route('s2')).toThrowError(FULL)
    end('s1')
    const second = route('s2')
    answer.reject(new ResolveError('TIMEOUT'))
    await expect(waiting).rejects.toEqual(code('PROXY_RESOLVE_TIMEOUT'))
    await expect(second).rejects.toEqual(code('PROXY_RESOLVE_TIMEOUT'))
    await expect(route('s3')).rejects.toEqual(code('PROXY_RESOLVE_TIMEOUT'))
  })

  it('listens to sessions only while it is set up, and not at all without a limit', () => {
    const { context, dispose } = limited({ maxConnectionsPerKey: 1 })
    expect(context.hooks.has('session:end')).toBe(true)
    dispose?.()
    expect(context.hooks.has('session:end')).toBe(false)
    expect(limited({}).context.hooks.has('session:end')).toBe(false)
  })
})

describe('maxRoutesPerSecondPerKey', () => {
  it('lets a burst of a second through, then one an interval', () => {
    const { route, context } = limited({ maxRoutesPerSecondPerKey: 3 })
    for (let i = 0; i < 3; i++) void route(`s${i}`)
    expect(() => route('s4')).toThrowError(expect.objectContaining({ code: 'PROXY_LIMIT_RATE', retryAfterMs: 334 }))
    expect(route('s4', 'beta')).toBeDefined()
    context.clock.advance(334)
    void route('s4')
    expect(() => route('s5')).toThrowError(code('PROXY_LIMIT_RATE'))
    context.clock.advance(10_000)
    for (let i = 0; i < 3; i++) void route(`s${i}`)
    expect(() => route('s6')).toThrowError(code('PROXY_LIMIT_RATE'))
  })

  it('lets the whole rate through, second after second', () => {
    const { route, context } = limited({ maxRoutesPerSecondPerKey: 7 })
    for (let i = 0; i < 7; i++) void route('s1')
    for (let i = 0; i < 700; i++) {
      context.clock.advance(1_000 / 7)
      expect(() => route('s1')).not.toThrowError()
    }
  })

  it('may be less than one', () => {
    const { route, context } = limited({ maxRoutesPerSecondPerKey: 0.5 })
    void route('s1')
    expect(() => route('s1')).toThrowError(expect.objectContaining({ retryAfterMs: 2_000 }))
    context.clock.advance(2_000)
    expect(() => route('s1')).not.toThrowError()
  })

  it('asks nobody once it refuses', () => {
    let asked = 0
    const { route } = limited({ maxRoutesPerSecondPerKey: 1 }, () => {
      asked++
      return backend('alpha:1')
    })
    void route('s1')
    expect(() => route('s2')).toThrowError(code('PROXY_LIMIT_RATE'))
    expect(asked).toBe(1)
  })
})

it('keeps synchronous answers synchronous and hands asynchronous ones on', async () => {
  const sync = limited({ maxConnectionsPerKey: 9, maxRoutesPerSecondPerKey: 9 })
  expect(sync.route('s1')).toBe(backend('alpha:1'))
  const later = limited({ maxConnectionsPerKey: 9 }, async () => backend('alpha:1'))
  await expect(later.route('s1')).resolves.toBe(backend('alpha:1'))
})

it.each([0, -1, Number.NaN])('refuses a limit of %d', (limit) => {
  expect(() => limits({ maxConnectionsPerKey: limit })).toThrowError(code('PROXY_CONFIG_INVALID'))
  expect(() => limits({ maxRoutesPerSecondPerKey: limit })).toThrowError(code('PROXY_CONFIG_INVALID'))
})
