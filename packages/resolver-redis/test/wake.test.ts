import { fileURLToPath } from 'node:url'
import type { Backend, Resolver } from '@proxy/kernel'
import { describeNeeding, launch, type Launched, type RedisServer, redisServer } from '@proxy/test-servers'
import { afterAll, afterEach, beforeAll, beforeEach, expect, it, vi } from 'vitest'
import { RedisRoutes, redisLocked, redisResolver, type WakeJob, type WakeWorker, wakeWorker } from '../src/index.ts'
import { answerOf, never, plainClient, resolved } from './support.ts'

const gatewayFile = fileURLToPath(new URL('./gateway-process.ts', import.meta.url))

describeNeeding(['redis-server'], 'waking among machines', () => {
  let server: RedisServer
  let routes: RedisRoutes
  const ends: (() => Promise<unknown> | void)[] = []

  const resolver = (leaseMs = 10_000): Resolver => {
    const made = redisResolver({ redis: server.url, leaseMs })
    ends.push(() => made.close?.())
    return made
  }

  const worker = (options: Omit<Parameters<typeof wakeWorker>[0], 'redis'>): WakeWorker => {
    const made = wakeWorker({ redis: server.url, ...options })
    ends.push(() => made.close())
    return made
  }

  /** A process that says what it does, and goes on when it is told. */
  const gateway = async (...args: string[]): Promise<Launched> => {
    const command = ['--conditions=@proxy/source', '--no-warnings', gatewayFile, server.url, ...args]
    const process = launch(globalThis.process.execPath, command)
    ends.push(() => {
      process.signal('SIGCONT')
      return process.stop('SIGKILL')
    })
    await process.waitFor(/ready\n/)
    return process
  }

  beforeAll(async () => {
    server = await redisServer()
  })
  afterAll(() => server.stop())
  beforeEach(async () => {
    await using client = plainClient(server)
    await client.flushall()
    routes = new RedisRoutes({ redis: server.url })
    await routes.put('alpha', { endpoint: '10.0.0.1:1', state: 'asleep', metadata: { plan: 'free' } })
  })
  afterEach(async () => {
    for (const end of ends.splice(0).reverse()) await end()
    routes.close()
  })

  it('three resolvers in three processes: a worker is asked once, all get its answer', async () => {
    const jobs: WakeJob[] = []
    worker({
      start: async (job) => {
        jobs.push(job)
        await vi.waitFor(() => expect(gateways.every(({ output }) => output.includes('waking'))).toBe(true))
        return '10.0.0.2:2'
      },
    })
    const gateways = await Promise.all(['a', 'b', 'c'].map((name) => gateway('queue', name)))
    await Promise.all(gateways.map((one) => one.waitFor(/woken 10\.0\.0\.2:2/)))
    expect(jobs).toHaveLength(1)
    expect(jobs[0]).toMatchObject({ key: 'alpha', backend: 'alpha', record: { metadata: { plan: 'free' } } })
    expect(await routes.get('alpha')).toEqual({ endpoint: '10.0.0.2:2', state: 'ready', metadata: { plan: 'free' } })
  })

  it('50 resolvers that find it asleep at different times: one job', async () => {
    let jobs = 0
    worker({
      start: async () => {
        jobs++
        await new Promise((resolve) => setTimeout(resolve, 100))
      },
    })
    const one = resolver()
    const two = resolver()
    const sleeping = [await resolved(one, 'alpha'), await resolved(two, 'alpha')]
    const woken = Array.from({ length: 50 }, async (_, index) => {
      await new Promise((resolve) => setTimeout(resolve, index * 4))
      return (index % 2 === 0 ? one : two).wake!(sleeping[index % 2]!, never)
    })
    const states = (await Promise.all(woken)).map((answer) => (answer as Backend).state)
    expect(new Set(states)).toEqual(new Set(['ready']))
    expect(jobs).toBe(1)
  })

  it('a start that fails is told to all who wait, and may be tried again', async () => {
    let broken = true
    const one = worker({ start: () => (broken ? Promise.reject(new Error('no room')) : Promise.resolve()) })
    const resolvers = [resolver(), resolver(), resolver()]
    const sleeping = await Promise.all(resolvers.map((each) => resolved(each, 'alpha')))
    const failures = resolvers.map((each, index) =>
      expect(each.wake!(sleeping[index]!, never)).rejects.toMatchObject({
        code: 'PROXY_RESOLVE_UNAVAILABLE',
        retryAfterMs: 1_000,
      }),
    )
    await Promise.all(failures)
    expect(one.stats().failed).toBeGreaterThanOrEqual(1)
    broken = false
    await expect(resolvers[0]!.wake!(sleeping[0]!, never)).resolves.toMatchObject({ state: 'ready' })
  })

  it('a tenant that is removed while it wakes is NOT_FOUND, and no late start brings it back', async () => {
    const go = Promise.withResolvers<string>()
    const begun = vi.fn<() => void>()
    const one = worker({
      start: () => {
        begun()
        return go.promise
      },
    })
    const gatewayResolver = resolver()
    const waking = gatewayResolver.wake!(await resolved(gatewayResolver, 'alpha'), never)
    const failure = waking.catch((error: unknown) => error)
    await vi.waitFor(() => expect(begun).toHaveBeenCalled())
    await routes.remove('alpha')
    expect(await failure).toMatchObject({ code: 'PROXY_RESOLVE_NOT_FOUND' })
    go.resolve('10.0.0.3:3')
    await vi.waitFor(() => expect(one.stats().refused).toBe(1))
    expect(await routes.get('alpha')).toBeUndefined()
  })

  it('the gateway that asked dies: another asks again with a higher token, and the first result is refused', async () => {
    const jobs: WakeJob[] = []
    const go = Promise.withResolvers<string>()
    const one = worker({
      start: (job) => {
        jobs.push(job)
        return jobs.length === 1 ? go.promise : Promise.resolve('10.0.0.2:2')
      },
    })
    const victim = await gateway('queue', 'victim', '1000')
    await vi.waitFor(() => expect(jobs).toHaveLength(1), { timeout: 10_000 })
    await victim.stop('SIGKILL')
    const other = resolver()
    const woken = await other.wake!(await resolved(other, 'alpha'), never)
    expect((woken as Backend).endpoints).toEqual([{ host: '10.0.0.2', port: 2 }])
    expect(jobs[1]!.token).toBeGreaterThan(jobs[0]!.token)
    go.resolve('10.6.6.6:6')
    await vi.waitFor(() => expect(one.stats().refused).toBe(1))
    expect(await answerOf(other, 'alpha')).toBe('10.0.0.2:2')
  })

  it('a worker that dies: another takes its job over', async () => {
    const victim = await gateway('worker', 'victim')
    const one = resolver()
    const waking = one.wake!(await resolved(one, 'alpha'), never)
    await victim.waitFor(/starting alpha/)
    await victim.stop('SIGKILL')
    worker({ start: () => Promise.resolve('10.0.0.2:2'), leaseMs: 500 })
    await expect(waking).resolves.toMatchObject({ endpoints: [{ host: '10.0.0.2', port: 2 }] })
  })

  it('a holder that was stopped past its lease: its late result is refused', async () => {
    const held = await gateway('locked', 'held', '1000')
    await held.waitFor(/inner wake/)
    held.signal('SIGSTOP')
    const wake = vi.fn<() => Promise<string>>(() => Promise.resolve('10.0.0.2:2'))
    const inner: Resolver = {
      name: 'inner',
      resolve: () => ({ id: 'alpha', endpoint: '10.0.0.1:1', state: 'asleep' }),
      wake,
    }
    const other = redisLocked(inner, { redis: server.url, leaseMs: 1_000 })
    ends.push(() => other.close?.())
    await expect(other.wake!(await resolved(other, 'alpha'), never)).resolves.toMatchObject({
      endpoints: [{ host: '10.0.0.2', port: 2 }],
    })
    expect(wake).toHaveBeenCalledOnce()
    held.signal('SIGCONT')
    held.signal('SIGUSR2')
    await held.waitFor(/refused 1/)
  })

  it('around another resolver: three processes call its wake once', async () => {
    const gateways = await Promise.all(['a', 'b', 'c'].map((name) => gateway('locked', name)))
    await vi.waitFor(() => expect(gateways.filter(({ output }) => output.includes('inner wake'))).toHaveLength(1), {
      timeout: 10_000,
    })
    const holder = gateways.find(({ output }) => output.includes('inner wake'))!
    holder.signal('SIGUSR2')
    await Promise.all(gateways.map((one) => one.waitFor(/woken 10\.9\.9\.9:9/)))
    expect(gateways.filter(({ output }) => output.includes('inner wake'))).toHaveLength(1)
  })

  it('a route that calls itself ready is started only where workers start and stop it', async () => {
    const one = resolver()
    await routes.put('own', '10.0.0.1:1')
    await expect(one.wake!(await resolved(one, 'own'), never)).rejects.toMatchObject({
      code: 'PROXY_RESOLVE_NOT_FOUND',
    })
    let starts = 0
    let slow = false
    worker({
      start: async () => {
        starts++
        if (slow) await new Promise((resolve) => setTimeout(resolve, 500))
      },
    })
    await one.wake!(await resolved(one, 'alpha'), never)
    // Somebody was refused there though it was started: it has died. At three machines at a time it is started once.
    const others = [one, resolver(), resolver()]
    const dead = await Promise.all(others.map((each) => resolved(each, 'alpha')))
    slow = true
    const woken = await Promise.all(others.map((each, index) => each.wake!(dead[index]!, never)))
    expect(woken.map((answer) => (answer as Backend).state)).toEqual(['ready', 'ready', 'ready'])
    expect(starts).toBe(2)
  })

  it('sleeps only when it is connected to from nowhere', async () => {
    const stop = vi.fn<() => Promise<void>>(() => Promise.resolve())
    worker({ start: () => Promise.resolve(), stop })
    const [one, two] = [resolver(), resolver()]
    await routes.put('alpha', '10.0.0.1:1')
    const idle = await resolved(one, 'alpha')
    two.onConnect!('alpha', (await resolved(two, 'alpha')).metadata)
    await using client = plainClient(server)
    await vi.waitFor(async () => expect(await client.keys('proxy:busy:*')).toHaveLength(2))
    await vi.waitFor(async () => {
      const sets = await Promise.all((await client.keys('proxy:busy:*')).map((key) => client.sismember(key, 'alpha')))
      expect(sets).toContain(1)
    })
    await one.sleep!(idle)
    expect(stop).not.toHaveBeenCalled()
    two.onDisconnect!('alpha', (await resolved(two, 'alpha')).metadata)
    await vi.waitFor(async () => {
      await one.sleep!(idle)
      expect(stop).toHaveBeenCalledOnce()
    })
    expect((await resolved(two, 'alpha')).state).toBe('asleep')
    await expect(two.wake!(await resolved(two, 'alpha'), never)).resolves.toMatchObject({ state: 'ready' })
  })

  it('around another resolver, without Redis: the machine wakes by itself', async () => {
    const own = await redisServer()
    ends.push(() => own.stop())
    const wake = vi.fn<() => Promise<string>>(() => Promise.resolve('10.0.0.2:2'))
    const inner: Resolver = {
      name: 'inner',
      resolve: () => ({ id: 'alpha', endpoint: '10.0.0.1:1', state: 'asleep' }),
      wake,
    }
    const alone = redisLocked(inner, { redis: own.url })
    ends.push(() => alone.close?.())
    const sleeping = await resolved(alone, 'alpha')
    await own.kill()
    expect(await alone.wake!(sleeping, never)).toBe('10.0.0.2:2')
    await own.start()
    await vi.waitFor(() => expect(alone.stats!()).toMatchObject({ redis: { state: 'ready' } }), { timeout: 15_000 })
    await expect(alone.wake!(sleeping, never)).resolves.toMatchObject({ id: 'alpha', state: 'ready' })
    expect(wake).toHaveBeenCalledTimes(2)
  })

  it('goes on when Redis goes away under it', async () => {
    const own = await redisServer(['--appendonly', 'yes', '--appendfsync', 'always'])
    ends.push(() => own.stop())
    const writer = new RedisRoutes({ redis: own.url })
    await writer.put('alpha', { endpoint: '10.0.0.1:1', state: 'asleep' })
    writer.close()
    const go = Promise.withResolvers<string>()
    const begun = vi.fn<() => void>()
    const lonely = wakeWorker({
      redis: own.url,
      start: () => {
        begun()
        return go.promise
      },
    })
    const one = redisResolver({ redis: own.url })
    const waking = one.wake!(await resolved(one, 'alpha'), never)
    await vi.waitFor(() => expect(begun).toHaveBeenCalled())
    await own.kill()
    await vi.waitFor(() => expect(one.stats!()['state']).toBe('stale'))
    go.resolve('10.0.0.2:2')
    await own.start()
    await expect(waking).resolves.toMatchObject({ endpoints: [{ host: '10.0.0.2', port: 2 }] })
    await one.close?.()
    await lonely.close()
  })
})
