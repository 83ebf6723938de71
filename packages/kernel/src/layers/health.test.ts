import { describe, expect, it } from 'vitest'
import { dialledTo, dialRequest, layerContext, type TestContext } from '../__fixtures__/layers.ts'
import { never } from '../__fixtures__/request.ts'
import { formatAddress } from '../address.ts'
import type { Dial, Dialled, DialRequest, Endpoint, Layer, ProbeTarget, Resolution } from '../contracts.ts'
import { type ErrorCode, GatewayError } from '../errors.ts'
import type { EndpointHealthEvent } from '../hooks.ts'
import { type HealthOptions, health } from './health.ts'

const three = { endpoint: ['a:1', 'b:1', 'c:1'], id: 'trio' }
const code = (name: ErrorCode): unknown => expect.objectContaining({ code: name })

interface Watching {
  readonly context: TestContext
  readonly layer: Layer
  readonly changes: string[]
  readonly probes: ProbeTarget[]
  /** Addresses that fail, by how. */
  readonly failing: Map<string, ErrorCode>
  readonly dispose: () => void
  dial(index: number, resolution?: Resolution, session?: string): Promise<Dialled>
  fault(index: number, name?: 'upstream:fault' | 'upstream:answer'): void
  pass(ms: number): Promise<void>
}

function watching(options: HealthOptions = {}): Watching {
  const probes: ProbeTarget[] = []
  const failing = new Map<string, ErrorCode>()
  const verdict = (endpoint: Endpoint): void => {
    const error = failing.get(formatAddress(endpoint))
    if (error !== undefined) throw new GatewayError(error)
  }
  const context = layerContext({
    async probe(target, signal) {
      probes.push(target)
      const endpoint = target.endpoint as Endpoint
      if (failing.get(formatAddress(endpoint)) === 'PROXY_DIAL_TIMEOUT') {
        await new Promise((_, reject) => signal.addEventListener('abort', () => reject(signal.reason as Error)))
      }
      verdict(endpoint)
    },
  })
  const layer = health({ intervalMs: 1_000, timeoutMs: 100, ...options })
  const dispose = layer.setup?.(context) ?? (() => {})
  const changes: string[] = []
  context.hooks.on('endpoint:health', ({ endpoint, healthy, by }: EndpointHealthEvent) =>
    changes.push(`${formatAddress(endpoint)} ${healthy ? 'healthy' : 'unhealthy'} by ${by}`),
  )
  const base: Dial = async (request) => {
    verdict(request.endpoint)
    return dialledTo(request)
  }
  const dial = layer.dial?.(base) as Dial
  const requestTo = (index: number, resolution: Resolution, session: string | undefined): DialRequest => {
    const request = dialRequest(resolution, { session })
    return { ...request, endpoint: request.backend.endpoints[index] as Endpoint }
  }
  return {
    context,
    layer,
    changes,
    probes,
    failing,
    dispose,
    dial: (index, resolution = three, session = 's1') => dial(requestTo(index, resolution, session), never),
    fault(index, name = 'upstream:fault') {
      const { backend, endpoint } = requestTo(index, three, 's1')
      const error = new GatewayError('PROXY_BACKEND_CLOSED')
      const event = { session: 's1', listener: 'db', protocol: 'postgresql', key: 'alpha', backend, endpoint, error }
      context.hooks.emit(name, event)
    },
    async pass(ms) {
      for (let passed = 0; passed < ms; passed += 50) {
        context.clock.advance(50)
        await new Promise((resolve) => setImmediate(resolve))
      }
    },
  }
}

describe('checks', () => {
  it('are made of every endpoint of a backend in use, again and again, by its protocol', async () => {
    const { dial, probes, pass } = watching()
    await dial(0)
    await pass(4_000)
    for (const address of ['a:1', 'b:1', 'c:1']) {
      const count = probes.filter(({ endpoint }) => formatAddress(endpoint as Endpoint) === address).length
      expect(count).toBeGreaterThanOrEqual(3)
      expect(count).toBeLessThanOrEqual(5)
    }
    expect(probes[0]).toMatchObject({ key: 'alpha', listener: 'db', protocol: 'postgresql' })
  })

  it('that fail in a row make an endpoint unhealthy, and those that succeed in a row healthy', async () => {
    const { dial, failing, changes, pass, layer } = watching({ rise: 2, fall: 3 })
    await dial(0)
    failing.set('b:1', 'PROXY_BACKEND_NOT_READY')
    // Checks are a tenth of the interval early or late: no more than two are over.
    await pass(1_700)
    expect(changes).toEqual([])
    await pass(3_000)
    expect(changes).toEqual(['b:1 unhealthy by check'])
    expect(layer.stats?.()).toMatchObject({
      endpoints: [
        { backend: 'trio', endpoint: 'b:1', healthy: false, by: 'check', lastError: 'PROXY_BACKEND_NOT_READY' },
        {},
        {},
      ],
    })
    const refused = await dial(1).catch((error: unknown) => error)
    expect(refused).toEqual(code('PROXY_BACKEND_UNHEALTHY'))
    expect((refused as GatewayError).retryAfterMs).toBe(1_000)
    await dial(2)
    failing.clear()
    await pass(850)
    expect(changes).toHaveLength(1)
    await pass(2_000)
    expect(changes).toEqual(['b:1 unhealthy by check', 'b:1 healthy by check'])
    await dial(1)
  })

  it('that take too long have failed', async () => {
    const { dial, failing, changes, pass } = watching({ fall: 1 })
    await dial(0)
    failing.set('a:1', 'PROXY_DIAL_TIMEOUT')
    await pass(1_500)
    expect(changes).toEqual(['a:1 unhealthy by check'])
  })

  it('that the gateway itself refuses say nothing of the endpoint', async () => {
    const { dial, failing, changes, pass } = watching({ fall: 1 })
    await dial(0)
    failing.set('a:1', 'PROXY_DIAL_FORBIDDEN')
    await pass(3_000)
    expect(changes).toEqual([])
  })

  it('end when nobody has dialled the backend for a minute', async () => {
    const { dial, probes, pass, context } = watching({ intervalMs: 10_000 })
    await dial(0)
    await pass(75_000)
    const { length } = probes
    await pass(20_000)
    expect(probes).toHaveLength(length)
    expect(context.clock.timers).toBe(0)
  })

  it('end when the tenant goes idle, and what was known is taken back', async () => {
    const { dial, failing, changes, pass, context } = watching({ fall: 1 })
    await dial(0)
    failing.set('a:1', 'PROXY_DIAL_REFUSED')
    await pass(1_500)
    const { backend } = dialRequest(three)
    context.hooks.emit('tenant:idle', { key: 'alpha', backend, idleMs: 1 })
    expect(changes).toEqual(['a:1 unhealthy by check', 'a:1 healthy by check'])
    expect(context.clock.timers).toBe(0)
  })

  it('are not made of backends of one endpoint unless told so, nor of more than the most', async () => {
    const plain = watching()
    await plain.dial(0, 'x:1')
    expect(plain.context.clock.timers).toBe(0)
    const single = watching({ singleEndpoints: true, maxEndpoints: 2, fall: 1 })
    for (const resolution of ['x:1', 'y:1', 'z:1']) await single.dial(0, resolution)
    expect(single.context.clock.timers).toBe(2)
    single.failing.set('x:1', 'PROXY_DIAL_REFUSED')
    await single.pass(1_500)
    expect(single.changes).toEqual(['x:1 unhealthy by check'])
    // The last one is dialled whatever is thought of it.
    single.failing.clear()
    await single.dial(0, 'x:1')
  })

  it('follow the backend when its endpoints change', async () => {
    const { dial, probes, pass } = watching()
    await dial(0)
    await dial(0, { endpoint: ['b:1', 'd:1'], id: 'trio' })
    probes.length = 0
    await pass(3_000)
    expect(new Set(probes.map(({ endpoint }) => formatAddress(endpoint as Endpoint)))).toEqual(new Set(['b:1', 'd:1']))
  })
})

describe('when no endpoint is healthy', () => {
  it('all are dialled', async () => {
    const { dial, failing, changes, pass } = watching({ fall: 1 })
    await dial(0)
    for (const address of ['a:1', 'b:1', 'c:1']) failing.set(address, 'PROXY_BACKEND_NOT_READY')
    await pass(2_000)
    expect(changes).toHaveLength(3)
    failing.clear()
    for (const index of [0, 1, 2]) await dial(index)
  })
})

describe('real connections', () => {
  it('that fail in a row leave an endpoint out for a while, longer each time', async () => {
    const { dial, failing, changes, context } = watching({ intervalMs: 1e9, ejectAfter: 3, ejectMs: 1_000 })
    failing.set('a:1', 'PROXY_DIAL_REFUSED')
    for (let i = 0; i < 3; i++) await expect(dial(0)).rejects.toEqual(code('PROXY_DIAL_REFUSED'))
    await expect(dial(0)).rejects.toEqual(code('PROXY_BACKEND_UNHEALTHY'))
    context.clock.advance(1_000)
    for (let i = 0; i < 3; i++) await expect(dial(0)).rejects.toEqual(code('PROXY_DIAL_REFUSED'))
    context.clock.advance(1_999)
    const refused = await dial(0).catch((error: unknown) => error)
    expect(refused).toMatchObject({ code: 'PROXY_BACKEND_UNHEALTHY', retryAfterMs: 1 })
    failing.clear()
    context.clock.advance(1)
    await dial(0)
    expect(changes).toEqual([
      'a:1 unhealthy by outlier',
      'a:1 healthy by outlier',
      'a:1 unhealthy by outlier',
      'a:1 healthy by outlier',
    ])
  })

  it('that succeed in between forgive, each its own kind', async () => {
    const { dial, failing, fault, changes, context } = watching({ intervalMs: 1e9, ejectAfter: 3 })
    for (let i = 0; i < 5; i++) {
      failing.set('a:1', 'PROXY_DIAL_REFUSED')
      for (let j = 0; j < 2; j++) await dial(0).catch(() => undefined)
      failing.clear()
      await dial(0)
      fault(1)
      fault(1)
      fault(1, 'upstream:answer')
    }
    expect(changes).toEqual([])
    expect(context.hooks.has('upstream:answer')).toBe(false)
    for (let i = 0; i < 3; i++) {
      await dial(1)
      fault(1)
    }
    expect(changes).toEqual(['b:1 unhealthy by outlier'])
  })

  it('never leave out more than their share, nor the last one', async () => {
    const half = watching({ intervalMs: 1e9, ejectAfter: 1 })
    await half.dial(0)
    for (const index of [0, 1, 2]) half.fault(index)
    expect(half.changes).toEqual(['a:1 unhealthy by outlier'])
    const all = watching({ intervalMs: 1e9, ejectAfter: 1, maxEjectedShare: 1 })
    await all.dial(0)
    for (const index of [0, 1, 2]) all.fault(index)
    expect(all.changes).toEqual(['a:1 unhealthy by outlier', 'b:1 unhealthy by outlier'])
  })
})

it('neither counts nor refuses what the gateway dials on its own account', async () => {
  const { layer, failing, changes, context } = watching({ intervalMs: 1e9, ejectAfter: 1, fall: 1 })
  const dial = layer.dial?.(async (request) => {
    if (failing.size > 0) throw new GatewayError('PROXY_DIAL_REFUSED')
    return dialledTo(request)
  }) as Dial
  failing.set('a:1', 'PROXY_DIAL_REFUSED')
  await dial(dialRequest(three, { session: undefined }), never).catch(() => undefined)
  expect(changes).toEqual([])
  expect(context.clock.timers).toBe(0)
})

it('leaves nothing behind', async () => {
  const { dial, failing, dispose, pass, context } = watching({ fall: 1, ejectAfter: 1 })
  failing.set('c:1', 'PROXY_DIAL_TIMEOUT')
  await dial(0)
  await dial(2).catch(() => undefined)
  await pass(1_020)
  dispose()
  await pass(100)
  expect(context.clock.timers).toBe(0)
  for (const hook of ['upstream:fault', 'upstream:answer', 'tenant:idle', 'wake:end'] as const) {
    expect(context.hooks.has(hook)).toBe(false)
  }
})

it.each([{ intervalMs: 0 }, { rise: 0 }, { maxEjectedShare: 2 }, { ejectMs: Number.NaN }])('refuses %j', (options) => {
  expect(() => health(options)).toThrowError(code('PROXY_CONFIG_INVALID'))
})
