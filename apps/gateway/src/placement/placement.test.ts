import { backend, type Backend, GatewayError, ResolveError, type Resolver, toResolver } from '@proxy/kernel'
import { resolverConformance } from '@proxy/testkit'
import { pino } from 'pino'
import { describe, expect, it, vi } from 'vitest'
import type { LoadedConfig } from '../config/load.ts'
import { type Envelope, PeerLink } from '../fleet/peer-link.ts'
import { OwnResolvers } from './own-resolvers.ts'
import { PrimaryResolvers } from './primary-resolvers.ts'
import { ResolverHost } from './resolver-host.ts'

const never = new AbortController().signal

const requestFor = (key: string) => ({
  key,
  protocol: 'tcp',
  listener: 'tcp',
  session: 's1',
  client: { host: '192.0.2.1', port: 40_000 },
  tls: undefined,
  unread: 0,
  attributes: {},
})

/** A primary process and its workers, with nothing but JSON between them. */
class Processes {
  readonly host: ResolverHost
  readonly workers: readonly PrimaryResolvers[]
  readonly #links: PeerLink[]

  constructor(workers = 2) {
    const send = (envelope: Envelope): boolean => {
      const text = JSON.stringify(envelope)
      setImmediate(() => this.#links[envelope.to]?.receive(JSON.parse(text) as Envelope))
      return true
    }
    this.#links = Array.from({ length: workers + 1 }, (_, self) => new PeerLink(self, send))
    this.host = new ResolverHost(this.#links[0]!, new OwnResolvers(), pino({ enabled: false }))
    this.workers = this.#links.slice(1).map((link) => new PrimaryResolvers(link))
  }

  /** The stand-ins of all workers for a configuration with that resolver. */
  async open(resolver: Resolver, generation = 0): Promise<Resolver[]> {
    await this.host.prepare(loadedWith(resolver, generation))
    return Promise.all(this.workers.map((worker) => this.openIn(worker, generation)))
  }

  async openIn(worker: PrimaryResolvers, generation: number): Promise<Resolver> {
    return toResolver(await worker.open(loadedWith(() => 'elsewhere:1', generation)))
  }
}

const loadedWith = (resolver: LoadedConfig['config']['resolver'], generation: number): LoadedConfig => ({
  config: { listeners: [], resolver },
  directory: '/',
  source: 'test',
  generation,
})

const asleep = { id: 'one', endpoint: '10.0.0.1:1', state: 'asleep', metadata: { n: 1 } } as const

function recorder(more: Partial<Resolver> = {}): { calls: string[]; resolver: Resolver } {
  const calls: string[] = []
  const resolver: Resolver = {
    name: 'recorder',
    resolve: () => asleep,
    wake: async ({ id }) => {
      calls.push(`wake ${id}`)
      await new Promise((resolve) => setImmediate(resolve))
      return '10.0.0.2:2'
    },
    sleep: ({ id }) => void calls.push(`sleep ${id}`),
    track: (key) => void calls.push(`track ${key}`),
    onConnect: (key, metadata) => void calls.push(`connect ${key} ${JSON.stringify(metadata)}`),
    onDisconnect: (key) => void calls.push(`disconnect ${key}`),
    close: async () => void calls.push('close'),
    ...more,
  }
  return { calls, resolver }
}

const known = [{ key: 'alpha', endpoint: '10.1.0.1:5432' }]
resolverConformance({
  name: 'a stand-in',
  resolver: async () => {
    const inner: Resolver = {
      ...recorder().resolver,
      resolve: ({ key }) => {
        if (key !== 'alpha') throw new ResolveError('NOT_FOUND')
        return { ...asleep, endpoint: '10.1.0.1:5432' }
      },
    }
    return (await new Processes(1).open(inner))[0]!
  },
  known,
  unknown: 'gamma',
  asleep: 'alpha',
})

describe('a resolver in the primary process', () => {
  const ask = async (resolver: Resolver, key = 'a'): Promise<Backend> =>
    backend(await resolver.resolve(requestFor(key), never))

  it('answers with all that a backend is', async () => {
    const whole = {
      id: 'one',
      endpoint: [{ host: '10.0.0.1', port: 1, weight: 2, draining: true }, '10.0.0.2:2'],
      metadata: { plan: { seats: 3 } },
      timeoutMs: 700,
      state: 'asleep',
      tls: { mode: 'implicit', ca: Buffer.from('authority'), serverName: 'db' },
      proxyProtocol: 2,
    } as const
    const [standIn] = await new Processes().open({ ...recorder().resolver, resolve: () => whole })
    expect(await ask(standIn!)).toEqual(backend(whole))
  })

  it.each([
    new ResolveError('FORBIDDEN', { hint: 'pay first', retryAfterMs: 7_000 }),
    new GatewayError('PROXY_LIMIT_RATE', { message: 'slowly' }),
  ])('fails with what an error knows: %s', async (thrown) => {
    const resolve = (): never => {
      throw thrown
    }
    const [standIn] = await new Processes().open({ ...recorder().resolver, resolve })
    const { code, message, hint, retryAfterMs } = thrown
    const failed = await ask(standIn!).catch((reason: unknown) => reason)
    expect(failed).toMatchObject({ code, message, hint, retryAfterMs })
    expect(failed instanceof ResolveError).toBe(thrown instanceof ResolveError)
  })

  it('is asked to wake a backend once by all workers, and given the backend that it answered with', async () => {
    const made = backend(asleep)
    const woken: unknown[] = []
    const wake = async (sleeping: Backend): Promise<string> => {
      woken.push(sleeping)
      await new Promise((resolve) => setTimeout(resolve, 20))
      return '10.0.0.2:2'
    }
    const standIns = await new Processes().open({ ...recorder().resolver, resolve: () => made, wake })
    const answers = await Promise.all(standIns.map(async (one) => one.wake?.(await ask(one), never)))
    expect(answers).toEqual(['10.0.0.2:2', '10.0.0.2:2'])
    expect(woken).toHaveLength(1)
    expect(woken[0]).toBe(made)
  })

  it('leaves a backend with endpoints for each protocol those of whoever asks, when waking left them as they were', async () => {
    const endpoints: Readonly<Record<string, string>> = { web: '10.0.0.1:80', mail: '10.0.0.1:25' }
    const standIns = await new Processes().open({
      ...recorder().resolver,
      resolve: ({ key }) => ({ ...asleep, endpoint: endpoints[key]! }),
      wake: async (sleeping) => sleeping,
    })
    const [web, mail] = await Promise.all([ask(standIns[0]!, 'web'), ask(standIns[1]!, 'mail')])
    const answers = await Promise.all([standIns[0]!.wake?.(web, never), standIns[1]!.wake?.(mail, never)])
    expect(answers).toMatchObject([{ endpoints: web.endpoints }, { endpoints: mail.endpoints }])
  })

  it('is told to give up a wake when all workers have, and not before', async () => {
    const signals: AbortSignal[] = []
    const wake = (_backend: Backend, signal: AbortSignal): Promise<never> => {
      signals.push(signal)
      return new Promise((_resolve, reject) => signal.addEventListener('abort', () => reject(signal.reason as Error)))
    }
    const standIns = await new Processes().open({ ...recorder().resolver, wake })
    const aborts = standIns.map(() => new AbortController())
    const waiting = standIns.map(async (one, index) => one.wake?.(await ask(one), aborts[index]!.signal))
    const settled = Promise.allSettled(waiting)
    await vi.waitFor(() => expect(signals).toHaveLength(1))
    await new Promise((resolve) => setTimeout(resolve, 20))
    aborts[0]!.abort(new GatewayError('PROXY_WAKE_TIMEOUT'))
    await expect(waiting[0]).rejects.toMatchObject({ code: 'PROXY_WAKE_TIMEOUT' })
    await new Promise((resolve) => setTimeout(resolve, 20))
    expect(signals[0]!.aborted).toBe(false)
    aborts[1]!.abort(new GatewayError('PROXY_WAKE_TIMEOUT'))
    await settled
    await vi.waitFor(() => expect(signals[0]!.aborted).toBe(true))
  })

  it('puts a backend to sleep when no worker uses it, and its routes are forgotten first', async () => {
    const { calls, resolver } = recorder()
    const [one, two] = await new Processes().open(resolver)
    const forgotten: string[] = []
    one!.watch?.(() => forgotten.push('one'))
    two!.watch?.(() => forgotten.push('two'))
    const [a, b] = [await ask(one!), await ask(two!)]
    one!.track?.('a', a.metadata)
    two!.track?.('a', b.metadata)
    await one!.sleep?.(a)
    expect([calls.filter((call) => call.startsWith('sleep')), forgotten]).toEqual([[], ['one']])
    await two!.sleep?.(b)
    expect([calls.filter((call) => call.startsWith('sleep')), forgotten]).toEqual([
      ['sleep one'],
      ['one', 'two', 'one'],
    ])
  })

  it('puts nothing to sleep that is asked for meanwhile', async () => {
    const { calls, resolver } = recorder()
    const [one, two] = await new Processes().open(resolver)
    const a = await ask(one!)
    await Promise.all([one!.sleep?.(a), ask(two!)])
    expect(calls).toEqual([])
  })

  it('hears of sessions in few words, and that they ended with their worker', async () => {
    const { calls, resolver } = recorder()
    const processes = new Processes()
    const [one] = await processes.open(resolver)
    const { metadata } = await ask(one!)
    for (let i = 0; i < 3; i++) {
      one!.track?.('a', metadata)
      one!.onConnect?.('a', metadata)
    }
    one!.onDisconnect?.('a', metadata)
    await vi.waitFor(() => expect(calls).toHaveLength(5))
    expect(calls).toEqual(['track a', ...Array<string>(3).fill('connect a {"n":1}'), 'disconnect a'])
    processes.host.forget(1)
    expect(calls.slice(5)).toEqual(['disconnect a', 'disconnect a'])
  })

  it('closes when the next one was committed and all workers gave it back', async () => {
    const [old, next] = [recorder(), recorder()]
    const processes = new Processes()
    const before = await processes.open(old.resolver, 0)
    const after = await processes.open(next.resolver, 1)
    processes.host.commit(1)
    await before[0]!.close?.()
    expect(old.calls).toEqual([])
    await before[1]!.close?.()
    await vi.waitFor(() => expect(old.calls).toEqual(['close']))
    await Promise.all(after.map(async (one) => one.close?.()))
    expect(next.calls).toEqual([])
    await processes.host.close()
    expect(next.calls).toEqual(['close'])
  })

  it('is the same, and so are its stand-ins, when a reload keeps it; closed once, by the last who had it', async () => {
    const { calls, resolver } = recorder()
    const processes = new Processes()
    const before = await processes.open(resolver, 0)
    const after = await processes.open(resolver, 1)
    expect(after).toEqual(before)
    processes.host.commit(1)
    expect(calls).toEqual([])
    await processes.host.close()
    expect(calls).toEqual(['close'])
  })

  it('closes at a rollback, and workers that ask for it later get the one before', async () => {
    const [old, next] = [recorder(), recorder()]
    const processes = new Processes()
    await processes.open(old.resolver, 0)
    await processes.host.prepare(loadedWith(next.resolver, 1))
    processes.host.rollback(1)
    await vi.waitFor(() => expect(next.calls).toEqual(['close']))
    const late = await processes.openIn(processes.workers[0]!, 1)
    expect((await ask(late)).id).toBe('one')
    expect(old.calls).toEqual([])
  })

  it('is not there for one that starts nothing: each worker has its own', async () => {
    const processes = new Processes()
    await processes.host.prepare(loadedWith(() => '10.0.0.1:1', 0))
    const own = await processes.openIn(processes.workers[0]!, 0)
    expect((await ask(own)).endpoints[0]!.host).toBe('elsewhere')
    expect(processes.host.stats()).toBeUndefined()
  })
})
