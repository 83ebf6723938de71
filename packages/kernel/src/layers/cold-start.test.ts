import { describe, expect, it, vi } from 'vitest'
import { layerContext, type TestContext } from '../__fixtures__/layers.ts'
import { never, request } from '../__fixtures__/request.ts'
import { backend } from '../backend.ts'
import type { Backend, Resolution, Resolve, Resolver } from '../contracts.ts'
import { GatewayError, ResolveError, type ResolveErrorKind } from '../errors.ts'
import { type ColdStartOptions, coldStart } from './cold-start.ts'

type WakeMethod = NonNullable<Resolver['wake']>

interface Cold {
  readonly context: TestContext
  readonly wake: ReturnType<typeof vi.fn<WakeMethod>>
  /** Settles the start that is under way. */
  readonly started: PromiseWithResolvers<Resolution>
  readonly close: () => void
  route(key?: string, signal?: AbortSignal): Backend | Promise<Backend>
}

const asleep: Resolve = ({ key }) => backend({ endpoint: `${key}:1`, id: key, state: 'asleep' })
const code = (name: string): unknown => expect.objectContaining({ code: name })
/** Lets everything that has settled be noticed. */
const settle = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))

function cold(options?: ColdStartOptions, next: Resolve = asleep): Cold {
  const started = Promise.withResolvers<Resolution>()
  const wake = vi.fn<WakeMethod>(() => started.promise)
  const context = layerContext({ resolver: { name: 'test', resolve: () => 'x:1', wake } })
  const layer = coldStart(options)
  const close = layer.setup?.(context) ?? (() => {})
  const resolve = layer.resolve?.(next) as Resolve
  return { context, wake, started, close, route: (key = 'alpha', signal = never) => resolve(request(key), signal) }
}

describe('a backend that is ready', () => {
  it('is handed on as it came', async () => {
    const sync = cold({}, () => backend('a:1'))
    expect(sync.route()).toBe(backend('a:1'))
    const later = cold({}, async () => backend('a:1'))
    expect(await later.route()).toBe(backend('a:1'))
    expect(sync.wake.mock.calls.length + later.wake.mock.calls.length).toBe(0)
  })

  it('and one asleep that nobody can wake are not touched at all', () => {
    const layer = coldStart()
    layer.setup?.(layerContext())
    expect(layer.resolve?.(asleep)).toBe(asleep)
  })
})

describe('a backend whose route changed', () => {
  it('is started again, although its last start would still answer', async () => {
    let changed: (id: string) => void = () => {}
    const wake = vi.fn<WakeMethod>(async () => 'new:1')
    const watch = (listener: (id: string) => void) => {
      changed = listener
      return () => {}
    }
    const context = layerContext({ resolver: { name: 'test', resolve: () => 'x:1', wake, watch } })
    const layer = coldStart({ wokenTtlMs: 60_000 })
    layer.setup?.(context)
    const resolve = layer.resolve?.(asleep) as Resolve
    await resolve(request('alpha'), never)
    await resolve(request('alpha'), never)
    expect(wake).toHaveBeenCalledTimes(1)
    changed('alpha')
    await resolve(request('alpha'), never)
    expect(wake).toHaveBeenCalledTimes(2)
  })
})

describe('a backend that is asleep', () => {
  it('is started once for a thousand waiters, who all get what it became', async () => {
    const { route, wake, started } = cold()
    const all = Array.from({ length: 1_000 }, async () => route())
    started.resolve({ endpoint: 'new:1', id: 'alpha' })
    const answers = new Set(await Promise.all(all))
    expect(wake).toHaveBeenCalledTimes(1)
    expect(wake.mock.calls[0]?.[0]).toMatchObject({ id: 'alpha', state: 'asleep' })
    expect(answers.size).toBe(1)
    expect([...answers][0]).toMatchObject({ state: 'ready', endpoints: [{ host: 'new', port: 1 }] })
  })

  it('is started for each backend, not for each key', async () => {
    const { route, wake } = cold({}, ({ key }) => backend({ endpoint: 'a:1', id: key.slice(0, 1), state: 'asleep' }))
    for (const key of ['a1', 'a2', 'b1']) void route(key)
    expect(wake).toHaveBeenCalledTimes(2)
  })

  it('keeps its TLS when waking only says where it is', async () => {
    const { route, started } = cold({}, () => backend({ endpoint: 'a:1', tls: 'implicit', state: 'asleep' }))
    const waiting = route()
    started.resolve('b:1')
    expect(await waiting).toMatchObject({ state: 'ready', endpoints: [{ host: 'b' }], tls: { mode: 'implicit' } })
  })

  it('is held for also when the resolver answers later', async () => {
    const { route, started } = cold({}, async (asked, signal) => asleep(asked, signal))
    const waiting = route()
    started.resolve('new:1')
    expect(await waiting).toMatchObject({ state: 'ready' })
  })

  it('answers at once while the resolver has yet to notice that it woke', async () => {
    const { route, wake, started, context } = cold({ wokenTtlMs: 500 })
    const waiting = route()
    started.resolve('new:1')
    const ready = await waiting
    context.clock.advance(499)
    expect(route()).toBe(ready)
    context.clock.advance(1)
    void route()
    expect(wake).toHaveBeenCalledTimes(2)
  })

  it('is announced when its start begins and ends', async () => {
    const { route, started, context } = cold()
    const events: unknown[] = []
    context.hooks.on('wake:start', ({ backend: { id, state }, key }) => events.push(['start', id, state, key]))
    context.hooks.on('wake:end', ({ backend: { id }, durationMs, error }) =>
      events.push(['end', id, durationMs, error]),
    )
    const waiting = route()
    context.clock.advance(250)
    started.resolve('new:1')
    await waiting
    expect(events).toEqual([
      ['start', 'alpha', 'asleep', 'alpha'],
      ['end', 'alpha', 250, undefined],
    ])
  })
})

describe('a client that leaves', () => {
  it('is out at once, and the start goes on for the others', async () => {
    const { route, wake, started } = cold()
    const leaver = new AbortController()
    const left = route('alpha', leaver.signal)
    const stayed = route()
    leaver.abort(new GatewayError('PROXY_CLIENT_GONE'))
    await expect(left).rejects.toEqual(code('PROXY_CLIENT_GONE'))
    expect(wake.mock.calls[0]?.[1].aborted).toBe(false)
    started.resolve('new:1')
    expect(await stayed).toMatchObject({ state: 'ready' })
  })

  it('does not end the start even when it was the last', async () => {
    const { route, wake, started } = cold()
    const leaver = new AbortController()
    const left = route('alpha', leaver.signal)
    leaver.abort(new GatewayError('PROXY_CLIENT_GONE'))
    await expect(left).rejects.toEqual(code('PROXY_CLIENT_GONE'))
    expect(wake.mock.calls[0]?.[1].aborted).toBe(false)
    const second = route()
    started.resolve('new:1')
    expect(await second).toMatchObject({ state: 'ready' })
    expect(wake).toHaveBeenCalledTimes(1)
  })

  it('before the start wakes nobody', () => {
    const { route, wake } = cold()
    expect(() => route('alpha', AbortSignal.abort(new GatewayError('PROXY_CLIENT_GONE')))).toThrowError(
      code('PROXY_CLIENT_GONE'),
    )
    expect(wake).not.toHaveBeenCalled()
  })
})

describe('the deadline', () => {
  it('counts from the beginning of the start, for the latest comer too', async () => {
    const { route, context, wake } = cold({ deadlineMs: 1_000 })
    const first = route()
    context.clock.advance(999)
    const last = route()
    context.clock.advance(1)
    for (const waiting of [first, last]) {
      await expect(waiting).rejects.toEqual(
        expect.objectContaining({ code: 'PROXY_WAKE_TIMEOUT', retryAfterMs: 1_000 }),
      )
    }
    expect(wake.mock.calls[0]?.[1].aborted).toBe(true)
  })

  it('holds against a resolver that goes on regardless, and what it says later is ignored', async () => {
    const { route, context, started } = cold({ deadlineMs: 1_000 })
    const ends: unknown[] = []
    context.hooks.on('wake:end', ({ error }) => ends.push(error?.code))
    const waiting = route()
    context.clock.advance(1_000)
    await expect(waiting).rejects.toEqual(code('PROXY_WAKE_TIMEOUT'))
    started.resolve('new:1')
    await settle()
    expect(ends).toEqual(['PROXY_WAKE_TIMEOUT'])
    expect(() => route()).toThrowError(code('PROXY_WAKE_TIMEOUT'))
  })

  it('is forgotten when the start succeeds', async () => {
    const { route, context, started } = cold({ wokenTtlMs: 0 })
    const waiting = route()
    started.resolve('new:1')
    await waiting
    expect(context.clock.timers).toBe(0)
  })
})

describe('a start that fails', () => {
  it.each([
    ['UNAVAILABLE', 'PROXY_WAKE_FAILED'],
    ['INTERNAL', 'PROXY_WAKE_FAILED'],
    ['TIMEOUT', 'PROXY_WAKE_TIMEOUT'],
    ['NOT_FOUND', 'PROXY_RESOLVE_NOT_FOUND'],
    ['FORBIDDEN', 'PROXY_RESOLVE_FORBIDDEN'],
  ] satisfies [ResolveErrorKind, string][])('with %s is %s for all who wait', async (kind, expected) => {
    const { route, started } = cold()
    const all = [route(), route()]
    started.reject(new ResolveError(kind, { hint: 'ask us' }))
    for (const waiting of all)
      await expect(waiting).rejects.toEqual(expect.objectContaining({ code: expected, hint: 'ask us' }))
  })

  it('with what is no error of ours, at once or with nonsense, is PROXY_WAKE_FAILED', async () => {
    const FAILED = expect.objectContaining({ code: 'PROXY_WAKE_FAILED', retryAfterMs: 1_000 })
    const atOnce = cold()
    atOnce.wake.mockImplementation(() => {
      throw new TypeError('bug')
    })
    await expect(atOnce.route()).rejects.toEqual(FAILED)
    const nonsense = cold()
    nonsense.started.resolve('no endpoint')
    await expect(nonsense.route()).rejects.toEqual(FAILED)
  })

  it('answers for the next for a while, then is tried again', async () => {
    const { route, wake, started, context } = cold({ failureTtlMs: 500 })
    const waiting = route()
    started.reject(new ResolveError('UNAVAILABLE'))
    await expect(waiting).rejects.toEqual(code('PROXY_WAKE_FAILED'))
    expect(() => route()).toThrowError(code('PROXY_WAKE_FAILED'))
    expect(wake).toHaveBeenCalledTimes(1)
    context.clock.advance(500)
    await expect(route()).rejects.toEqual(code('PROXY_WAKE_FAILED'))
    expect(wake).toHaveBeenCalledTimes(2)
  })
})

describe('the bounds', () => {
  const FULL = expect.objectContaining({ code: 'PROXY_WAKE_QUEUE_FULL', retryAfterMs: 1_000 })

  it('hold for each key and for all together', async () => {
    const { route, started } = cold({ maxWaiters: 3, maxWaitersPerKey: 2 })
    const held = [route('a'), route('a')]
    await expect(route('a')).rejects.toEqual(FULL)
    held.push(route('b'))
    await expect(route('c')).rejects.toEqual(FULL)
    started.resolve('new:1')
    await Promise.all(held.map(async (waiting) => waiting))
  })

  it('start nothing for whom they refuse', async () => {
    const { route, wake } = cold({ maxWaiters: 1 })
    void route('a')
    await expect(route('b')).rejects.toEqual(FULL)
    expect(wake).toHaveBeenCalledTimes(1)
  })

  it('make room for whom has left and for whom was served', async () => {
    const { route, started } = cold({ maxWaiters: 1, wokenTtlMs: 0 })
    const leaver = new AbortController()
    const left = route('a', leaver.signal)
    leaver.abort(new GatewayError('PROXY_CLIENT_GONE'))
    await expect(left).rejects.toEqual(code('PROXY_CLIENT_GONE'))
    const second = route('a')
    started.resolve('new:1')
    await second
    expect(await route('a')).toMatchObject({ state: 'ready' })
  })
})

describe('closing', () => {
  it('ends every start and leaves no timer', async () => {
    const { route, wake, context, close } = cold()
    const waiting = route()
    close()
    await expect(waiting).rejects.toEqual(code('PROXY_DRAINING'))
    expect(wake.mock.calls[0]?.[1].aborted).toBe(true)
    expect(context.clock.timers).toBe(0)
  })

  it('leaves no timer of a start that had ended either', async () => {
    const { route, started, context, close } = cold()
    const waiting = route()
    started.resolve('new:1')
    await waiting
    expect(context.clock.timers).toBe(1)
    close()
    expect(context.clock.timers).toBe(0)
  })
})

it.each([
  { deadlineMs: 0 },
  { maxWaiters: 0 },
  { maxWaitersPerKey: Number.NaN },
  { failureTtlMs: -1 },
  { wokenTtlMs: -1 },
])('refuses %j', (options) => expect(() => coldStart(options)).toThrowError(code('PROXY_CONFIG_INVALID')))
