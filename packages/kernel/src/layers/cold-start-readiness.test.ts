import { describe, expect, it, vi } from 'vitest'
import { layerContext, type TestContext } from '../__fixtures__/layers.ts'
import { never, request } from '../__fixtures__/request.ts'
import { backend } from '../backend.ts'
import type { Backend, LayerContext, Resolve, Resolver, RouteRequest } from '../contracts.ts'
import { type ErrorCode, GatewayError } from '../errors.ts'
import { type ColdStartOptions, coldStart } from './cold-start.ts'

type Probe = LayerContext['probe']

interface Cold {
  readonly context: TestContext
  readonly wake: ReturnType<typeof vi.fn<NonNullable<Resolver['wake']>>>
  readonly changed: (id: string) => void
  route(key?: string, more?: Partial<RouteRequest>): Promise<Backend>
}

const code = (name: ErrorCode): unknown => expect.objectContaining({ code: name })
const settle = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))

function cold(probe: Probe, options?: ColdStartOptions, next?: Resolve): Cold {
  const wake = vi.fn<NonNullable<Resolver['wake']>>(async (sleeping) => sleeping)
  let changed: (id: string) => void = () => {}
  const watch: Resolver['watch'] = (listener) => {
    changed = listener
    return () => {}
  }
  const context = layerContext({ resolver: { name: 'test', resolve: () => 'x:1', wake, watch }, probe })
  const layer = coldStart(options)
  layer.setup?.(context)
  const asleep: Resolve = ({ key }) => backend({ endpoint: `${key}:1`, id: key, state: 'asleep' })
  const resolve = layer.resolve?.(next ?? asleep) as Resolve
  return {
    context,
    wake,
    changed: (id) => changed(id),
    route: async (key = 'alpha', more = {}) => resolve(request(key, more), never),
  }
}

/** Fails so often, then serves. */
function after(failures: number, error = new GatewayError('PROXY_BACKEND_NOT_READY')): ReturnType<typeof vi.fn<Probe>> {
  let left = failures
  return vi.fn<Probe>(async () => {
    if (left-- > 0) throw error
  })
}

/** Lets time pass in steps until a promise has settled, and says how long that took. */
async function passUntil({ clock }: TestContext, promise: Promise<unknown>): Promise<number> {
  let settled = false
  const mark = (): void => void (settled = true)
  promise.then(mark, mark)
  const from = clock.now()
  for (await settle(); !settled; await settle()) clock.advance(1)
  return clock.now() - from
}

describe('readiness', () => {
  it('is asked for once where the resolver has waited itself, as those who wait will speak', async () => {
    const probe = after(0)
    const { route } = cold(probe)
    await route('alpha', { protocol: 'postgresql', listener: 'db' })
    expect(probe).toHaveBeenCalledTimes(1)
    expect(probe.mock.calls[0]?.[0]).toMatchObject({
      backend: { id: 'alpha', state: 'ready' },
      endpoint: { host: 'alpha', port: 1 },
      key: 'alpha',
      listener: 'db',
      protocol: 'postgresql',
    })
  })

  it.each([300, 2_000, 30_000])('is noticed within a hundredth of %i ms by a backend that answers', async (startMs) => {
    const { context, route } = cold(async () => {
      if (context.clock.now() < startMs) throw new GatewayError('PROXY_BACKEND_NOT_READY')
    })
    const late = (await passUntil(context, route())) - startMs
    expect(late).toBeLessThanOrEqual(Math.max(10, Math.min(100, startMs / 100)) + 1)
  })

  it.each([300, 2_000, 30_000])('is noticed within 5 ms where nobody listened for %i ms', async (startMs) => {
    const { context, route } = cold(async () => {
      if (context.clock.now() < startMs) throw new GatewayError('PROXY_DIAL_REFUSED')
    })
    expect((await passUntil(context, route())) - startMs).toBeLessThanOrEqual(6)
  })

  it('of a backend that answers is asked for half as often as where nobody listens', async () => {
    const asked = async (error: ErrorCode): Promise<number> => {
      const probe = after(Number.POSITIVE_INFINITY, new GatewayError(error))
      const { context, route } = cold(probe, { deadlineMs: 600 })
      await passUntil(context, route())
      return probe.mock.calls.length
    }
    expect(await asked('PROXY_BACKEND_NOT_READY')).toBeLessThanOrEqual(600 / 5 + 1)
    expect(await asked('PROXY_DIAL_REFUSED')).toBeGreaterThanOrEqual(600 / 5)
  })

  it.each([
    ['a whole fleet', (index: number) => [`t${index}`, {}]],
    ['many protocols of one start', (index: number) => ['alpha', { protocol: `p${index}` }]],
  ] satisfies [string, (index: number) => [string, Partial<RouteRequest>]][])(
    'of %s is asked for about a thousand times a second in all',
    async (_what, nth) => {
      const probe = vi.fn<Probe>(async () => {
        throw new GatewayError('PROXY_DIAL_REFUSED')
      })
      const { context, route } = cold(probe, { deadlineMs: 4_000 })
      const starts = Array.from({ length: 90 }, (_, index) => route(...nth(index)).catch(() => {}))
      for (let ms = 0; ms < 2_000; ms += 5) {
        context.clock.advance(5)
        await settle()
      }
      // The pauses are shorter by up to a half, so that starts which began together do not stay together.
      expect(probe.mock.calls.length).toBeLessThanOrEqual(2 * 2_000)
      context.clock.advance(4_000)
      await Promise.all(starts)
    },
  )

  it('of a backend with several endpoints is that of any', async () => {
    const probe = vi.fn<Probe>(async ({ endpoint }) => {
      if (endpoint?.host !== 'b') throw new GatewayError('PROXY_DIAL_REFUSED')
    })
    const { context, route } = cold(probe, {}, () => backend({ endpoint: ['a:1', 'b:1'], state: 'asleep' }))
    expect(await passUntil(context, route())).toBeLessThanOrEqual(10)
    expect(probe).toHaveBeenCalledTimes(2)
  })

  it('is asked for at once when the resolver says that something has changed', async () => {
    const probe = after(8)
    const { context, route, changed } = cold(probe)
    const waiting = route()
    for (let times = 0; times < 8; times++) {
      await settle()
      changed('alpha')
    }
    await waiting
    expect(context.clock.now()).toBe(0)
    expect(probe).toHaveBeenCalledTimes(9)
  })

  it('is asked for anew when a probe hangs: after a while, or when something has changed', async () => {
    const probe: ReturnType<typeof vi.fn<Probe>> = vi.fn<Probe>((_target, signal) =>
      probe.mock.calls.length > 2
        ? Promise.resolve()
        : new Promise((_resolve, reject) => signal.addEventListener('abort', () => reject(signal.reason as Error))),
    )
    const { context, route, changed } = cold(probe)
    const waiting = route()
    await settle()
    context.clock.advance(100)
    changed('alpha')
    await settle()
    expect(probe).toHaveBeenCalledTimes(2)
    expect(await passUntil(context, waiting)).toBeLessThan(10_200)
    expect(probe).toHaveBeenCalledTimes(3)
  })

  it('of a backend that has died since it was started is had by starting it again, where it then is', async () => {
    const probe = vi.fn<Probe>(async ({ backend: { endpoints } }) => {
      if (endpoints[0]?.port !== 2) throw new GatewayError('PROXY_DIAL_REFUSED')
    })
    const { context, wake, route } = cold(probe)
    wake.mockImplementationOnce(async () => 'alpha:1').mockImplementationOnce(async () => 'alpha:2')
    const waiting = route()
    expect(await passUntil(context, waiting)).toBeLessThan(5_300)
    expect((await waiting).endpoints).toEqual([{ host: 'alpha', port: 2 }])
    expect(wake).toHaveBeenCalledTimes(2)
    const asked = probe.mock.calls.length
    context.clock.advance(10_000)
    await settle()
    expect(probe).toHaveBeenCalledTimes(asked)
    expect(context.clock.timers).toBe(0)
  })

  it('of a backend that only takes its time starts nothing again', async () => {
    const { context, wake, route } = cold(after(400))
    expect(await passUntil(context, route())).toBeGreaterThan(6_000)
    expect(wake).toHaveBeenCalledTimes(1)
  })

  it('that time does not bring is given up at once', async () => {
    const { route, wake } = cold(after(1, new GatewayError('PROXY_DIAL_FORBIDDEN')))
    await expect(route()).rejects.toEqual(code('PROXY_DIAL_FORBIDDEN'))
    await expect(route()).rejects.toEqual(code('PROXY_DIAL_FORBIDDEN'))
    expect(wake).toHaveBeenCalledTimes(1)
  })

  it('that a broken probe cannot tell of is waited for until the deadline', async () => {
    const broken = vi.fn<Probe>(() => Promise.reject(new TypeError('bug')))
    const { context, route } = cold(broken, { deadlineMs: 1_000 })
    const waiting = route()
    waiting.catch(() => {})
    await passUntil(context, waiting)
    await expect(waiting).rejects.toEqual(code('PROXY_WAKE_TIMEOUT'))
  })

  it('has until the deadline, which is absolute; the error keeps what the backend said last', async () => {
    const starting = new GatewayError('PROXY_BACKEND_NOT_READY')
    const { context, route } = cold(after(Number.POSITIVE_INFINITY, starting), { deadlineMs: 1_000 })
    const ends: unknown[] = []
    context.hooks.on('wake:end', ({ durationMs, error }) => ends.push([durationMs, error?.code]))
    const waiting = route()
    waiting.catch(() => {})
    expect(await passUntil(context, waiting)).toBe(1_000)
    await expect(waiting).rejects.toMatchObject({ code: 'PROXY_WAKE_TIMEOUT', retryAfterMs: 1_000, cause: starting })
    expect(ends).toEqual([[1_000, 'PROXY_WAKE_TIMEOUT']])
    context.clock.advance(1_000)
    await settle()
    expect(context.clock.timers).toBe(0)
  })
})

describe('protocols that share a backend', () => {
  /** One tenant, with a port for each protocol. */
  const tenant: Resolve = ({ protocol }) =>
    backend({ endpoint: protocol === 'http' ? 'alpha:80' : 'alpha:5432', id: 'alpha', state: 'asleep' })

  it('cause one start, and each waits until it is served itself, where it asked', async () => {
    let database = false
    const probe = vi.fn<Probe>(async ({ protocol }) => {
      if (protocol !== 'http' && !database) throw new GatewayError('PROXY_DIAL_REFUSED')
    })
    const { context, route, wake } = cold(probe, {}, tenant)
    const ends: unknown[] = []
    context.hooks.on('wake:end', ({ woken, error }) => ends.push([woken?.endpoints[0]?.port, error]))
    const db = route('alpha', { protocol: 'postgresql' })
    const web = route('alpha', { protocol: 'http' })
    expect(await web).toMatchObject({ state: 'ready', endpoints: [{ port: 80 }] })
    expect(ends).toEqual([[80, undefined]])
    database = true
    await passUntil(context, db)
    expect(await db).toMatchObject({ state: 'ready', endpoints: [{ port: 5_432 }] })
    expect(wake).toHaveBeenCalledTimes(1)
    expect(ends).toHaveLength(1)
  })

  it('fail apart', async () => {
    const probe = vi.fn<Probe>(async ({ protocol }) => {
      if (protocol !== 'http') throw new GatewayError('PROXY_BACKEND_PROTOCOL')
    })
    const { route, wake } = cold(probe, {}, tenant)
    const db = route('alpha', { protocol: 'postgresql' })
    const web = route('alpha', { protocol: 'http' })
    await expect(db).rejects.toEqual(code('PROXY_BACKEND_PROTOCOL'))
    expect(await web).toMatchObject({ state: 'ready' })
    expect(wake).toHaveBeenCalledTimes(1)
  })

  it('come later to a start that has failed for all', async () => {
    const { route, wake } = cold(after(0), {}, tenant)
    wake.mockRejectedValueOnce(new Error('no image'))
    await expect(route('alpha', { protocol: 'http' })).rejects.toEqual(code('PROXY_WAKE_FAILED'))
    await expect(route('alpha', { protocol: 'postgresql' })).rejects.toEqual(code('PROXY_WAKE_FAILED'))
    expect(wake).toHaveBeenCalledTimes(1)
  })
})

describe('patience', () => {
  const hanging: Probe = () => new Promise(() => {})

  it('of none answers at once, and the start goes on', async () => {
    const { context, route, wake } = cold(after(0), { patienceMs: { http: 0 } })
    const ended = Promise.withResolvers<unknown>()
    context.hooks.on('wake:end', ({ error }) => ended.resolve(error))
    await expect(route()).rejects.toMatchObject({ code: 'PROXY_WAKE_TIMEOUT', retryAfterMs: 1_000 })
    expect(await ended.promise).toBeUndefined()
    expect(await route()).toMatchObject({ state: 'ready' })
    expect(wake).toHaveBeenCalledTimes(1)
  })

  it('ends for those of its protocol alone', async () => {
    const { context, route } = cold(hanging, { patienceMs: { http: 200 } })
    const web = route('alpha', { protocol: 'http' })
    const database = route('alpha', { protocol: 'postgresql' })
    let settled = false
    const mark = (): void => void (settled = true)
    database.then(mark, mark)
    web.catch(() => {})
    context.clock.advance(200)
    await expect(web).rejects.toEqual(code('PROXY_WAKE_TIMEOUT'))
    await settle()
    expect(settled).toBe(false)
  })
})

describe('bytes that are held', () => {
  it('are bounded in all, and given back', async () => {
    const { route, context } = cold(after(1), { maxWaitingBytes: 1_000 })
    const first = route('alpha', { unread: 600 })
    await expect(route('beta', { unread: 401 })).rejects.toEqual(code('PROXY_WAKE_QUEUE_FULL'))
    const second = route('beta', { unread: 400 })
    await passUntil(context, Promise.all([first, second]))
    expect(await route('gamma', { unread: 1_000 })).toMatchObject({ state: 'ready' })
  })
})

describe('what is told', () => {
  it('is how long each session has waited', async () => {
    const { context, route } = cold(after(0))
    const gate = Promise.withResolvers<void>()
    const { wake, ...rest } = cold(async () => gate.promise)
    const one = rest.route('alpha', { session: 'one' })
    rest.context.clock.advance(300)
    const two = rest.route('alpha', { session: 'two' })
    rest.context.clock.advance(100)
    gate.resolve()
    await Promise.all([one, two])
    expect([...rest.context.waits]).toEqual([
      ['one', 400],
      ['two', 100],
    ])
    await route()
    expect([context.waits.get('s1'), wake.mock.calls.length]).toEqual([0, 1])
  })

  it('is who waits for what, and what has failed', async () => {
    const gate = Promise.withResolvers<void>()
    const probe = vi.fn<Probe>(async ({ key }) => {
      if (key === 'broken') throw new GatewayError('PROXY_DIAL_FORBIDDEN')
      return gate.promise
    })
    const context = layerContext({ resolver: { name: 't', resolve: () => 'x:1', wake: async (it) => it }, probe })
    const layer = coldStart()
    expect(layer.stats?.()).toEqual({})
    layer.setup?.(context)
    const resolve = layer.resolve?.(({ key }) => backend({ endpoint: `${key}:1`, state: 'asleep' })) as Resolve
    await expect(resolve(request('broken'), never)).rejects.toBeDefined()
    const waiting = [resolve(request('alpha', { unread: 7 }), never), resolve(request('alpha', { unread: 5 }), never)]
    context.clock.advance(250)
    expect(layer.stats?.()).toEqual({
      waiting: 2,
      waitingBytes: 12,
      wakes: [{ backend: 'alpha:1', key: 'alpha', startedMsAgo: 250, waiting: 2, state: 'waking' }],
      failed: [{ backend: 'broken:1', code: 'PROXY_DIAL_FORBIDDEN', msAgo: 250 }],
      woken: 0,
      failures: 1,
    })
    gate.resolve()
    for (const one of waiting) await one
    expect(layer.stats?.()).toMatchObject({ waiting: 0, waitingBytes: 0, wakes: [], woken: 1, failures: 1 })
  })
})
