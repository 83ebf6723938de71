import { describe, expect, it, vi } from 'vitest'
import { dialledTo, dialRequest, layerContext, type TestContext } from '../__fixtures__/layers.ts'
import { never, request } from '../__fixtures__/request.ts'
import { backend } from '../backend.ts'
import type { Dial, Dialled, Disposer, Resolve, Resolver } from '../contracts.ts'
import { type ErrorCode, GatewayError, ResolveError } from '../errors.ts'
import { type ColdStartOptions, coldStart } from './cold-start.ts'

interface Cold {
  readonly context: TestContext
  readonly wake: ReturnType<typeof vi.fn<NonNullable<Resolver['wake']>>>
  readonly next: ReturnType<typeof vi.fn<Dial>>
  readonly close: Disposer
  readonly stats: () => Record<string, unknown>
  readonly resolve: Resolve
  dial(session?: string | null, signal?: AbortSignal): Promise<Dialled>
  dialTo(endpoint: string): Promise<Dialled>
}

const code = (name: ErrorCode): unknown => expect.objectContaining({ code: name })
const settle = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))
const refused = (name: ErrorCode = 'PROXY_DIAL_REFUSED'): GatewayError => new GatewayError(name)

function cold(options: ColdStartOptions = {}, canWake = true): Cold {
  const wake = vi.fn<NonNullable<Resolver['wake']>>(async () => 'woken:2')
  const context = layerContext({ resolver: { name: 't', resolve: () => 'x:1', ...(canWake && { wake }) } })
  const layer = coldStart(options)
  const close = layer.setup?.(context) ?? (() => {})
  const next = vi.fn<Dial>(async (asked) => dialledTo(asked))
  const dial = layer.dial?.(next) as Dial
  return {
    context,
    wake,
    next,
    close,
    stats: () => layer.stats?.() ?? {},
    resolve: layer.resolve?.(({ key }) => backend({ endpoint: `${key}:1`, state: 'asleep' })) as Resolve,
    dialTo: (endpoint) => dial(dialRequest(endpoint), never),
    dial: (session = 's1', signal = never) =>
      dial(dialRequest('alpha:1', { session: session ?? undefined, address: '192.0.2.1' }), signal),
  }
}

describe('a backend that is refused', () => {
  it.each(['PROXY_DIAL_REFUSED', 'PROXY_CIRCUIT_OPEN', 'PROXY_BACKEND_UNHEALTHY'] as const)(
    'with %s is started, and dialled once more where it is then',
    async (name) => {
      const { dial, next, wake } = cold()
      next.mockRejectedValueOnce(refused(name))
      const { endpoint } = await dial()
      expect(endpoint).toMatchObject({ host: 'woken', port: 2 })
      expect(next.mock.calls[1]?.[0]).toMatchObject({ session: 's1', address: undefined, backend: { state: 'ready' } })
      expect(wake.mock.calls[0]?.[0].id).toBe('alpha:1')
    },
  )

  it('is started once for all who were refused', async () => {
    const { dial, next, wake } = cold()
    next.mockImplementation(async (asked) => {
      if (asked.endpoint.host === 'alpha') throw refused()
      return dialledTo(asked)
    })
    await Promise.all(Array.from({ length: 50 }, () => dial()))
    expect(wake).toHaveBeenCalledTimes(1)
  })

  it('although it was just started is not started in a loop', async () => {
    const { dial, next, wake, context } = cold({ wokenTtlMs: 1_000 })
    next.mockRejectedValue(refused())
    for (let times = 0; times < 3; times++) await expect(dial()).rejects.toEqual(code('PROXY_DIAL_REFUSED'))
    expect([wake.mock.calls.length, next.mock.calls.length]).toEqual([1, 4])
    context.clock.advance(1_000)
    await expect(dial()).rejects.toEqual(code('PROXY_DIAL_REFUSED'))
    expect(wake).toHaveBeenCalledTimes(2)
  })

  it('under the address that it woke up at is not started in a loop either', async () => {
    const { next, wake, resolve, dialTo } = cold()
    await resolve(request('alpha'), never)
    next.mockRejectedValue(refused())
    await expect(dialTo('woken:2')).rejects.toEqual(code('PROXY_DIAL_REFUSED'))
    expect(wake).toHaveBeenCalledTimes(1)
  })

  it('whose start fails gives that error, to those who come next as well', async () => {
    const { dial, next, wake } = cold()
    next.mockRejectedValue(refused())
    wake.mockRejectedValue(new ResolveError('UNAVAILABLE', { hint: 'no image' }))
    for (let times = 0; times < 2; times++) {
      await expect(dial()).rejects.toMatchObject({ code: 'PROXY_WAKE_FAILED', hint: 'no image', retryAfterMs: 1_000 })
    }
    expect([wake.mock.calls.length, next.mock.calls.length]).toEqual([1, 2])
  })

  it('that means nothing to the resolver gives the error of the dial', async () => {
    const { dial, next, wake } = cold()
    next.mockRejectedValue(refused())
    wake.mockRejectedValue(new ResolveError('NOT_FOUND'))
    for (let times = 0; times < 2; times++) await expect(dial()).rejects.toEqual(code('PROXY_DIAL_REFUSED'))
    expect(wake).toHaveBeenCalledTimes(1)
  })

  it('on the account of the gateway itself, or by a resolver that wakes nothing, is left alone', async () => {
    const own = cold()
    own.next.mockRejectedValue(refused())
    await expect(own.dial(null)).rejects.toEqual(code('PROXY_DIAL_REFUSED'))
    expect(own.wake).not.toHaveBeenCalled()
    const without = cold({}, false)
    without.next.mockRejectedValue(refused())
    await expect(without.dial()).rejects.toEqual(code('PROXY_DIAL_REFUSED'))
    expect(without.next).toHaveBeenCalledTimes(1)
  })

  it('is not started for another reason, nor for whom has left', async () => {
    const { dial, next, wake } = cold()
    for (const name of ['PROXY_DIAL_TIMEOUT', 'PROXY_DIAL_FORBIDDEN', 'PROXY_BACKEND_TLS'] as const) {
      next.mockRejectedValueOnce(refused(name))
      await expect(dial()).rejects.toEqual(code(name))
    }
    next.mockRejectedValueOnce(refused())
    await expect(dial('s1', AbortSignal.abort(refused('PROXY_CLIENT_GONE')))).rejects.toBeDefined()
    expect(wake).not.toHaveBeenCalled()
  })

  it('is dialled no more for whom leaves while it starts', async () => {
    const { dial, next, wake } = cold()
    const start = Promise.withResolvers<string>()
    wake.mockImplementation(() => start.promise)
    next.mockRejectedValueOnce(refused())
    const leaver = new AbortController()
    const left = dial('s1', leaver.signal)
    await settle()
    leaver.abort(refused('PROXY_CLIENT_GONE'))
    await expect(left).rejects.toEqual(code('PROXY_CLIENT_GONE'))
    start.resolve('woken:2')
    await settle()
    expect(next).toHaveBeenCalledTimes(1)
  })
})

describe('a herd', () => {
  /** So many wait for the backend; then it has been started, and they dial it. */
  async function released(bench: Cold, count: number): Promise<Promise<Dialled>[]> {
    const sessions = Array.from({ length: count }, (_, index) => `s${index}`)
    await Promise.all(sessions.map(async (session) => bench.resolve(request('alpha', { session }), never)))
    return sessions.map((session) => bench.dial(session))
  }

  /** A dial that ends when it is told to. */
  function held(bench: Cold): PromiseWithResolvers<void>[] {
    const dials: PromiseWithResolvers<void>[] = []
    bench.wake.mockImplementation(async (sleeping) => sleeping)
    bench.next.mockImplementation(async (asked) => {
      const gate = Promise.withResolvers<void>()
      dials.push(gate)
      await gate.promise
      return dialledTo(asked)
    })
    return dials
  }

  it('dials a few at a time, in its order, the next as soon as one is through', async () => {
    const bench = cold({ maxDials: 4 })
    const dials = held(bench)
    const herd = await released(bench, 10)
    await settle()
    expect(dials).toHaveLength(4)
    expect(bench.stats()).toMatchObject({ waiting: 6, wakes: [{ backend: 'alpha:1', waiting: 6, state: 'releasing' }] })
    herd[1]?.catch(() => {})
    dials[0]?.resolve()
    dials[1]?.reject(refused('PROXY_DIAL_TIMEOUT'))
    await settle()
    expect(dials).toHaveLength(6)
    expect(bench.next.mock.calls.map(([{ session }]) => session)).toEqual(['s0', 's1', 's2', 's3', 's4', 's5'])
    for (let index = 2; index < 10; index++) {
      dials[index]?.resolve()
      await settle()
    }
    await Promise.allSettled(herd)
    expect(bench.stats()).toMatchObject({ waiting: 0, wakes: [] })
  })

  it('of a thousand goes through as fast as it is let in: no time passes, and nobody has a timer', async () => {
    const bench = cold()
    bench.wake.mockImplementation(async (sleeping) => sleeping)
    let [dialling, most] = [0, 0]
    bench.next.mockImplementation(async (asked) => {
      most = Math.max(most, ++dialling)
      await settle()
      dialling--
      return dialledTo(asked)
    })
    const herd = await released(bench, 1_000)
    // The end of the herd, of the start's deadline, and of what it answers for others.
    expect(bench.context.clock.timers).toBeLessThanOrEqual(3)
    // As many turns as it takes 64 at a time, and one that they begin in.
    for (let turns = 0; turns <= Math.ceil(1_000 / 64); turns++) await settle()
    expect(bench.stats()).toMatchObject({ waiting: 0, wakes: [] })
    await Promise.all(herd)
    expect([most, bench.next.mock.calls.length]).toEqual([64, 1_000])
  })

  it('loses nobody by those who leave the line', async () => {
    const bench = cold({ maxDials: 1 })
    const dials = held(bench)
    await Promise.all(['a', 'b', 'c'].map(async (session) => bench.resolve(request('alpha', { session }), never)))
    const leaver = new AbortController()
    const [first, left, last] = [bench.dial('a'), bench.dial('b', leaver.signal), bench.dial('c')]
    await settle()
    leaver.abort(refused('PROXY_CLIENT_GONE'))
    await expect(left).rejects.toEqual(code('PROXY_CLIENT_GONE'))
    dials[0]?.resolve()
    await first
    await settle()
    dials[1]?.resolve()
    await last
    expect(bench.next).toHaveBeenCalledTimes(2)
  })

  it('counts what it stands in line as waiting for the start, and not beyond the deadline', async () => {
    const bench = cold({ maxDials: 1, deadlineMs: 5_000 })
    const dials = held(bench)
    const herd = await released(bench, 3)
    await settle()
    bench.context.clock.advance(500)
    dials[0]?.resolve()
    await herd[0]
    await settle()
    expect(bench.context.waits.get('s1')).toBe(500)
    bench.context.clock.advance(4_500)
    await expect(herd[2]).rejects.toMatchObject({ code: 'PROXY_WAKE_TIMEOUT', retryAfterMs: 1_000 })
    dials[1]?.resolve()
    await herd[1]
    bench.close()
    expect(bench.context.clock.timers).toBe(0)
  })

  it('is no herd any more when it has gone through', async () => {
    const bench = cold({ maxDials: 2, wokenTtlMs: 0 })
    const dials = held(bench)
    const herd = await released(bench, 3)
    await settle()
    bench.context.clock.advance(1_000)
    for (let index = 0; index < 3; index++) {
      dials[index]?.resolve()
      await settle()
    }
    await Promise.all(herd)
    expect(bench.context.clock.timers).toBe(0)
    void Promise.allSettled(Array.from({ length: 9 }, () => bench.dial()))
    await settle()
    expect(dials).toHaveLength(12)
  })

  it('that fits in has no line', async () => {
    const bench = cold({ maxDials: 3, wokenTtlMs: 0 })
    const dials = held(bench)
    void Promise.allSettled(await released(bench, 3))
    await settle()
    expect([dials.length, bench.context.clock.timers]).toEqual([3, 0])
  })

  it('ends with the gateway', async () => {
    const bench = cold({ maxDials: 1 })
    held(bench)
    const herd = await released(bench, 2)
    await settle()
    bench.close()
    await expect(herd[1]).rejects.toEqual(code('PROXY_DRAINING'))
    expect(bench.context.clock.timers).toBe(0)
  })
})
