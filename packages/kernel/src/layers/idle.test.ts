import { describe, expect, it, vi } from 'vitest'
import { dialledTo, dialRequest, layerContext, type TestContext } from '../__fixtures__/layers.ts'
import { never, request } from '../__fixtures__/request.ts'
import { backend } from '../backend.ts'
import type { Backend, Dial, Disposer, Resolution, Resolve, Resolver } from '../contracts.ts'
import { GatewayError } from '../errors.ts'
import { type IdleOptions, idle } from './idle.ts'

interface Link {
  closed: boolean
}

interface Bench {
  readonly context: TestContext
  readonly events: string[]
  readonly sleep: ReturnType<typeof vi.fn<NonNullable<Resolver['sleep']>>>
  readonly dispose: Disposer
  stats(): unknown
  resolve(key: string, answer?: Resolution): Backend | Promise<Backend>
  /** Dials, and gives the connection. */
  dial(key: string, to?: Resolution, session?: string): Promise<Link>
}

function bench(options: IdleOptions = { afterMs: 1_000 }, given?: TestContext): Bench {
  const sleep = vi.fn<NonNullable<Resolver['sleep']>>()
  const context = given ?? layerContext({ resolver: { name: 'test', resolve: () => 'x:1', sleep } })
  const events: string[] = []
  context.hooks.on('tenant:busy', ({ key, idleMs }) => events.push(`busy ${key} ${idleMs}`))
  context.hooks.on('tenant:idle', ({ key, idleMs }) => events.push(`idle ${key} ${idleMs}`))
  const layer = idle(options)
  const dispose = layer.setup?.(context) ?? (() => {})
  let latest: Link = { closed: false }
  const next: Dial = async (asked) => ({ ...dialledTo(asked), link: latest as never })
  const dial = layer.dial?.(next) as Dial
  return {
    context,
    events,
    sleep,
    dispose,
    stats: () => layer.stats?.(),
    resolve: (key, answer = `${key}:1`) => {
      const resolve = layer.resolve?.(() => backend(answer)) as Resolve
      return resolve(request(key), never)
    },
    dial: async (key, to = `${key}:1`, ...session: (string | undefined)[]) => {
      latest = { closed: false }
      const made = latest
      await dial(dialRequest(to, { key, session: session.length === 0 ? 's1' : session[0] }), never)
      return made
    },
  }
}

describe('a tenant', () => {
  it('is busy from its first route, and idle when nobody has used it for so long', () => {
    const { resolve, context, events, sleep } = bench()
    void resolve('alpha')
    expect(events).toEqual(['busy alpha 0'])
    context.clock.advance(999)
    expect(sleep).not.toHaveBeenCalled()
    context.clock.advance(251)
    expect(events).toEqual(['busy alpha 0', 'idle alpha 1000'])
    expect(sleep.mock.calls).toEqual([[backend('alpha:1')]])
    expect(context.clock.timers).toBe(0)
  })

  it('stays busy with every request', () => {
    const { resolve, context, sleep } = bench()
    for (let times = 0; times < 10; times++) {
      void resolve('alpha')
      context.clock.advance(900)
    }
    expect(sleep).not.toHaveBeenCalled()
  })

  it('is used for as long as a connection to its backend is open, however silent', async () => {
    const { dial, context, sleep, events } = bench()
    const link = await dial('alpha')
    context.clock.advance(3_600_000)
    expect(sleep).not.toHaveBeenCalled()
    link.closed = true
    context.clock.advance(1_000)
    expect(sleep).not.toHaveBeenCalled()
    context.clock.advance(500)
    expect(sleep).toHaveBeenCalledTimes(1)
    expect(events).toEqual(['busy alpha 0', 'idle alpha 1000'])
  })

  it('is used while it is being dialled, and no more when that fails', async () => {
    const dialling = Promise.withResolvers<never>()
    const { context, sleep } = bench()
    const layer = idle({ afterMs: 1_000 })
    layer.setup?.(context)
    const dial = layer.dial?.(() => dialling.promise) as Dial
    const failed = dial(dialRequest('alpha:1', { key: 'alpha' }), never)
    context.clock.advance(10_000)
    expect(sleep).not.toHaveBeenCalled()
    dialling.reject(new GatewayError('PROXY_DIAL_TIMEOUT'))
    await expect(failed).rejects.toMatchObject({ code: 'PROXY_DIAL_TIMEOUT' })
    context.clock.advance(1_500)
    expect(sleep).toHaveBeenCalledTimes(1)
  })

  it('is not used by what the gateway dials on its own account, nor by being asleep', async () => {
    const { resolve, dial, context, events } = bench()
    await dial('alpha', 'alpha:1', undefined)
    void resolve('alpha', { endpoint: 'alpha:1', state: 'asleep' })
    await resolve('alpha', { endpoint: 'alpha:1', state: 'asleep' })
    expect([events, context.clock.timers]).toEqual([[], 0])
  })

  it('becomes busy again, and is put to sleep again', () => {
    const { resolve, context, sleep, events } = bench()
    for (let times = 0; times < 2; times++) {
      void resolve('alpha')
      context.clock.advance(2_000)
    }
    expect(sleep).toHaveBeenCalledTimes(2)
    expect(events).toHaveLength(4)
  })
})

describe('a backend', () => {
  it('sleeps only when all of its keys are idle', () => {
    const { resolve, context, sleep, events } = bench()
    const shared = { endpoint: 'shared:1', id: 'shared' }
    void resolve('a', shared)
    context.clock.advance(750)
    void resolve('b', shared)
    context.clock.advance(750)
    expect(events.at(-1)).toMatch(/^idle a/)
    expect(sleep).not.toHaveBeenCalled()
    context.clock.advance(750)
    expect(sleep).toHaveBeenCalledTimes(1)
  })

  it('sleeps also when all have left who waited for its start', () => {
    const { context, sleep } = bench()
    const asleep = backend({ endpoint: 'a:1', state: 'asleep' })
    const ended = { backend: asleep, key: 'alpha', durationMs: 1 }
    context.hooks.emit('wake:end', { ...ended, error: new GatewayError('PROXY_WAKE_FAILED') })
    expect(context.clock.timers).toBe(0)
    context.hooks.emit('wake:end', { ...ended, woken: backend('b:1'), error: undefined })
    context.clock.advance(2_000)
    expect(sleep.mock.calls).toEqual([[backend('b:1')]])
  })

  it('that cannot be put to sleep is reported, at once or later', async () => {
    const { resolve, context, sleep } = bench()
    const errors: unknown[] = []
    context.hooks.on('gateway:error', ({ source, error }) => errors.push([source, (error as Error).message]))
    sleep.mockImplementationOnce(() => {
      throw new Error('at once')
    })
    sleep.mockRejectedValueOnce(new Error('later'))
    for (let times = 0; times < 2; times++) {
      void resolve('alpha')
      context.clock.advance(2_000)
    }
    await Promise.resolve()
    expect(errors).toEqual([
      ['resolver', 'at once'],
      ['resolver', 'later'],
    ])
  })
})

it('tells how many are busy and how many on the way to sleep', async () => {
  const { resolve, dial, context, stats } = bench()
  await dial('alpha')
  void resolve('beta')
  expect(stats()).toEqual({ busy: 2, idle: 0 })
  context.clock.advance(500)
  expect(stats()).toEqual({ busy: 1, idle: 1 })
})

it('forgets closed connections of a tenant that is dialled all the time', async () => {
  const { dial, context, sleep } = bench()
  for (let times = 0; times < 1_000; times++) (await dial('alpha')).closed = true
  context.clock.advance(2_000)
  expect(sleep).toHaveBeenCalledTimes(1)
})

it('knows over a reload that keeps the resolver who uses what', async () => {
  const before = bench()
  const link = await before.dial('alpha')
  const after = bench({ afterMs: 1_000 }, before.context)
  void after.resolve('alpha')
  after.context.clock.advance(10_000)
  expect(before.sleep).not.toHaveBeenCalled()
  link.closed = true
  before.dispose()
  before.dispose()
  after.context.clock.advance(2_000)
  expect(before.sleep).toHaveBeenCalledTimes(1)
  after.dispose()
})

it('leaves no timer behind', () => {
  const { resolve, context, dispose } = bench()
  void resolve('alpha')
  expect(context.clock.timers).toBe(1)
  dispose()
  expect(context.clock.timers).toBe(0)
  expect(context.hooks.has('wake:end')).toBe(false)
})

it.each([{ afterMs: 0 }, { afterMs: Number.NaN }])('refuses %j', (options) =>
  expect(() => idle(options)).toThrowError(expect.objectContaining({ code: 'PROXY_CONFIG_INVALID' })),
)
