import { describe, expect, it } from 'vitest'
import { dialledTo, dialRequest, layerContext, type TestContext } from '../__fixtures__/layers.ts'
import { never } from '../__fixtures__/request.ts'
import { backend } from '../backend.ts'
import type { Dial, Dialled, DialRequest, Resolution } from '../contracts.ts'
import { type ErrorCode, GatewayError } from '../errors.ts'
import type { CircuitChangeEvent } from '../hooks.ts'
import { type BreakerOptions, breaker } from './breaker.ts'

type Outcome = ErrorCode | 'ok' | GatewayError | Promise<Dialled>

interface Broken {
  readonly context: TestContext
  readonly changes: CircuitChangeEvent[]
  readonly dials: DialRequest[]
  readonly changed: (id: string) => void
  readonly dispose: () => void
  outcome: Outcome
  dial(more?: Partial<DialRequest>, resolution?: Resolution, signal?: AbortSignal): Promise<Dialled>
  fail(times: number, more?: Partial<DialRequest>, resolution?: Resolution): Promise<void>
  emit(name: 'upstream:fault' | 'upstream:answer' | 'session:end', session?: string, resolution?: Resolution): void
  stats(): Record<string, unknown>
}

const code = (name: ErrorCode): unknown => expect.objectContaining({ code: name })
const only: Resolution = 'a:1'

function broken(options?: BreakerOptions): Broken {
  let changed: (id: string) => void = () => {}
  const watch = (listener: (id: string) => void) => {
    changed = listener
    return () => {}
  }
  const context = layerContext({ resolver: { name: 'test', resolve: () => only, watch } })
  const layer = breaker(options)
  const dispose = layer.setup?.(context) ?? (() => {})
  const changes: CircuitChangeEvent[] = []
  context.hooks.on('circuit:change', (event) => changes.push(event))
  const base: Dial = async (request) => {
    made.dials.push(request)
    const { outcome } = made
    if (outcome === 'ok') return dialledTo(request)
    if (outcome instanceof Promise) return outcome
    throw typeof outcome === 'string' ? new GatewayError(outcome) : outcome
  }
  const dial = layer.dial?.(base) as Dial
  const made: Broken = {
    context,
    changes,
    dials: [],
    changed: (id) => changed(id),
    dispose,
    outcome: 'ok',
    dial: (more = {}, resolution = only, signal = never) => dial(dialRequest(resolution, more), signal),
    async fail(times, more, resolution) {
      made.outcome = 'PROXY_DIAL_REFUSED'
      for (let i = 0; i < times; i++) await made.dial(more, resolution).catch(() => undefined)
    },
    emit(name, session = 's1', resolution = only) {
      const { backend: to, endpoint } = dialRequest(resolution)
      const error = new GatewayError('PROXY_BACKEND_CLOSED')
      const event = { session, listener: 'db', protocol: 'postgresql', key: 'alpha', backend: to, endpoint, error }
      context.hooks.emit(name, event)
    },
    stats: () => layer.stats?.() ?? {},
  }
  return made
}

describe('a circuit', () => {
  it('opens after failures in a row, and refuses with the time that is left', async () => {
    const made = broken({ failures: 3, openMs: 1_000 })
    await made.fail(2)
    made.outcome = 'ok'
    await made.dial()
    await made.fail(3)
    expect(made.dials).toHaveLength(6)
    const refused = await made.dial().catch((error: unknown) => error)
    expect(refused).toEqual(code('PROXY_CIRCUIT_OPEN'))
    const { retryAfterMs } = refused as GatewayError
    expect(retryAfterMs).toBeGreaterThan(499)
    expect(retryAfterMs).toBeLessThan(1_001)
    expect(made.dials).toHaveLength(6)
    expect(made.stats()).toMatchObject({
      circuits: [{ backend: 'a:1', endpoint: 'a:1', state: 'open', failures: 3 }],
      open: 1,
    })
  })

  it('lets exactly one through when its time is up, and closes when that succeeds', async () => {
    const made = broken({ failures: 1, openMs: 1_000 })
    await made.fail(1)
    made.context.clock.advance(1_000)
    const gate = Promise.withResolvers<Dialled>()
    made.outcome = gate.promise
    const all = Array.from({ length: 200 }, (_, i) =>
      made.dial({ session: `s${i}` }).then(
        () => 'in',
        () => 'refused',
      ),
    )
    await expect(all[1]).resolves.toBe('refused')
    expect(made.dials).toHaveLength(2)
    gate.resolve(dialledTo(dialRequest(only)))
    expect((await Promise.all(all)).filter((one) => one === 'in')).toHaveLength(1)
    made.outcome = 'ok'
    await made.dial()
    expect(made.changes.map(({ state }) => state)).toEqual(['open', 'half-open', 'closed'])
    expect(made.stats()).toEqual({ circuits: [], open: 0, halfOpen: 0 })
  })

  it('opens for longer each time that the one let through fails, up to its longest', async () => {
    const made = broken({ failures: 1, openMs: 1_000, maxOpenMs: 5_000 })
    for (let i = 0; i < 6; i++) {
      await made.fail(1)
      made.context.clock.advance(5_000)
    }
    const times = made.changes.filter(({ state }) => state === 'open').map(({ openMs }) => openMs)
    const longest = [1_000, 2_000, 4_000, 5_000, 5_000, 5_000]
    expect(times).toHaveLength(6)
    for (const [i, time] of times.entries()) {
      expect(time).toBeLessThanOrEqual(longest[i] as number)
      expect(time).toBeGreaterThanOrEqual((longest[i] as number) / 2)
    }
  })

  it('begins anew with the shortest time once it was closed', async () => {
    const made = broken({ failures: 1, openMs: 1_000 })
    await made.fail(1)
    made.context.clock.advance(1_000)
    await made.fail(1)
    made.context.clock.advance(2_000)
    made.outcome = 'ok'
    await made.dial()
    await made.fail(1)
    expect(made.changes.at(-1)?.openMs).toBeLessThanOrEqual(1_000)
  })

  it('passes the trial on when its client leaves or the dial fails for another reason', async () => {
    const made = broken({ failures: 1, openMs: 1_000 })
    await made.fail(1)
    made.context.clock.advance(1_000)
    const gone = new AbortController()
    const gate = Promise.withResolvers<Dialled>()
    made.outcome = gate.promise
    const left = made.dial({}, only, gone.signal)
    gone.abort()
    gate.reject(new GatewayError('PROXY_DIAL_TIMEOUT'))
    await expect(left).rejects.toEqual(code('PROXY_DIAL_TIMEOUT'))
    made.outcome = 'PROXY_DIAL_FORBIDDEN'
    await expect(made.dial()).rejects.toEqual(code('PROXY_DIAL_FORBIDDEN'))
    made.outcome = 'ok'
    await made.dial()
    expect(made.changes.at(-1)?.state).toBe('closed')
  })

  it('tries another when nothing is heard of the trial for as long as it may be open', async () => {
    const made = broken({ failures: 1, openMs: 1_000, maxOpenMs: 1_000 })
    await made.fail(1)
    made.context.clock.advance(1_000)
    made.outcome = new Promise(() => {})
    void made.dial({ session: 'lost' })
    await expect(made.dial()).rejects.toEqual(code('PROXY_CIRCUIT_OPEN'))
    made.context.clock.advance(1_000)
    made.outcome = 'ok'
    await made.dial()
    expect(made.stats()).toMatchObject({ circuits: [] })
  })

  it('is one for each endpoint of a backend', async () => {
    const made = broken({ failures: 1 })
    const two = { endpoint: ['a:1', 'b:2'] }
    const [first, second] = backend(two).endpoints
    await made.fail(1, { endpoint: first as never }, two)
    await expect(made.dial({ endpoint: first as never }, two)).rejects.toEqual(code('PROXY_CIRCUIT_OPEN'))
    made.outcome = 'ok'
    await made.dial({ endpoint: second as never }, two)
  })
})

describe('what counts', () => {
  it.each([
    'PROXY_DIAL_REFUSED',
    'PROXY_DIAL_TIMEOUT',
    'PROXY_DIAL_UNREACHABLE',
    'PROXY_DIAL_DNS',
    'PROXY_BACKEND_TLS',
  ] as const)('%s does', async (error) => {
    const made = broken({ failures: 1 })
    made.outcome = error
    await expect(made.dial()).rejects.toEqual(code(error))
    await expect(made.dial()).rejects.toEqual(code('PROXY_CIRCUIT_OPEN'))
  })

  it.each([
    'PROXY_DIAL_FORBIDDEN',
    'PROXY_DIAL_LOOP',
    'PROXY_CLIENT_GONE',
    'PROXY_LIMIT_CONNECTIONS',
    'PROXY_BACKEND_UNHEALTHY',
    'PROXY_RESOLVE_FORBIDDEN',
    'PROXY_DRAINING',
  ] as const)('%s does not', async (error) => {
    const made = broken({ failures: 1 })
    made.outcome = error
    for (let i = 0; i < 3; i++) await expect(made.dial()).rejects.toEqual(code(error))
    expect(made.changes).toEqual([])
  })

  it.each(['EMFILE', 'EADDRNOTAVAIL', 'ENOBUFS'])('%s of the gateway does not', async (errno) => {
    const made = broken({ failures: 1 })
    const cause = Object.assign(new Error(errno), { code: errno })
    made.outcome = new GatewayError('PROXY_DIAL_UNREACHABLE', { cause })
    for (let i = 0; i < 3; i++) await expect(made.dial()).rejects.toEqual(code('PROXY_DIAL_UNREACHABLE'))
    expect(made.changes).toEqual([])
  })

  it('dials on the gateway’s own account do not, and are never refused', async () => {
    const made = broken({ failures: 1 })
    await made.fail(3, { session: undefined })
    expect(made.changes).toEqual([])
    await made.fail(1)
    made.outcome = 'ok'
    await made.dial({ session: undefined })
    expect(made.stats()).toMatchObject({ open: 1 })
  })

  it('failures that lie far apart are not in a row', async () => {
    const made = broken({ failures: 2, openMs: 1_000, maxOpenMs: 1_000 })
    await made.fail(1)
    made.context.clock.advance(2_001)
    await made.fail(1)
    expect(made.changes).toEqual([])
  })
})

describe('an upstream that fails behind its dial', () => {
  it('opens the circuit, though each could be dialled', async () => {
    const made = broken({ failures: 3 })
    for (let i = 0; i < 3; i++) {
      await made.dial()
      made.emit('upstream:fault')
    }
    await expect(made.dial()).rejects.toEqual(code('PROXY_CIRCUIT_OPEN'))
  })

  it('does not when others answer in between', async () => {
    const made = broken({ failures: 3 })
    for (let i = 0; i < 10; i++) {
      made.emit('upstream:fault')
      made.emit('upstream:fault')
      made.emit('upstream:answer')
    }
    expect(made.changes).toEqual([])
    expect(made.context.hooks.has('upstream:answer')).toBe(false)
  })

  it('is tried by one session, which has to be answered', async () => {
    const made = broken({ failures: 1, openMs: 1_000 })
    made.emit('upstream:fault')
    made.context.clock.advance(1_000)
    await made.dial({ session: 'trial' })
    await expect(made.dial({ session: 'other' })).rejects.toEqual(code('PROXY_CIRCUIT_OPEN'))
    made.emit('upstream:answer', 'trial')
    await made.dial({ session: 'other' })
    expect(made.changes.map(({ state }) => state)).toEqual(['open', 'half-open', 'closed'])
  })

  it('is tried by the next session when that one ends unanswered', async () => {
    const made = broken({ failures: 1, openMs: 1_000 })
    made.emit('upstream:fault')
    made.context.clock.advance(1_000)
    await made.dial({ session: 'trial' })
    made.emit('session:end', 'trial')
    await made.dial({ session: 'next' })
    expect(made.stats()).toMatchObject({ halfOpen: 1 })
  })
})

describe('a circuit is closed', () => {
  it.each(['wake', 'failed wake', 'change', 'other change'])('by what may have changed everything: %s', async (how) => {
    const made = broken({ failures: 1 })
    await made.fail(1)
    made.outcome = 'ok'
    const error = how === 'failed wake' ? new GatewayError('PROXY_WAKE_FAILED') : undefined
    if (how.endsWith('wake')) {
      made.context.hooks.emit('wake:end', { backend: backend(only), key: 'alpha', durationMs: 1, error })
    } else made.changed(how === 'change' ? 'a:1' : 'b:1')
    if (how === 'wake' || how === 'change') await made.dial()
    else await expect(made.dial()).rejects.toEqual(code('PROXY_CIRCUIT_OPEN'))
  })
})

it('keeps nothing of healthy endpoints, and no more than its most of others', async () => {
  const made = broken({ failures: 1 })
  for (let i = 0; i < 100; i++) await made.dial({}, `h${i}:1`)
  expect(made.context.hooks.has('session:end')).toBe(false)
  await made.fail(1, {}, 'first:1')
  for (let i = 0; i < 10_000; i++) await made.fail(1, {}, `f${i}:1`)
  expect(made.stats()).toMatchObject({ open: 10_000 })
  expect(made.stats()['circuits']).toHaveLength(100)
  made.outcome = 'ok'
  await made.dial({}, 'first:1')
  made.dispose()
  expect(made.context.clock.timers).toBe(0)
  for (const hook of ['upstream:fault', 'upstream:answer', 'session:end', 'wake:end'] as const) {
    expect(made.context.hooks.has(hook)).toBe(false)
  }
})

it.each([{ failures: 0 }, { openMs: 0 }, { maxOpenMs: Number.NaN }])('refuses %j', (options) => {
  expect(() => breaker(options)).toThrowError(code('PROXY_CONFIG_INVALID'))
})
