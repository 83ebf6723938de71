import { join } from 'node:path'
import { backend, type Resolver } from '@proxy/kernel'
import { certificateAuthority, findFreePort, removeDirectory, temporaryDirectory } from '@proxy/test-servers'
import { resolverConformance } from '@proxy/testkit'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { dockerResolver } from '../src/index.ts'
import { EngineStandIn } from './engine-stand-in.ts'
import { answers, eventually, get, httpTenant, never, request } from './tenants.ts'

const code = (code: string): unknown => expect.objectContaining({ code })
const notFound = code('PROXY_RESOLVE_NOT_FOUND')
const unavailable = code('PROXY_RESOLVE_UNAVAILABLE')

describe('dockerResolver', () => {
  let engine: EngineStandIn
  let resolver: Resolver
  let directory: string

  beforeEach(async () => {
    directory = temporaryDirectory('docker')
    engine = new EngineStandIn({ socketPath: join(directory, 'docker.sock') })
    await engine.open()
    resolver = dockerResolver({ host: engine.host })
  })

  afterEach(async () => {
    await resolver.close?.()
    await engine.close()
    removeDirectory(directory)
  })

  const resolve = async (key: string) => backend(await resolver.resolve(request(key), never))

  const resolves = (key: string) =>
    resolve(key).then(
      () => true,
      () => false,
    )

  it('finds a running container by its label, at its published port', async () => {
    const port = await findFreePort()
    engine.create(httpTenant('shop', port, { labels: { 'proxy.key': 'shop.example, www.shop.example' } })).start()
    expect(await resolve('www.shop.example')).toMatchObject({
      id: 'docker/shop',
      state: 'ready',
      endpoints: [{ host: '127.0.0.1', port }],
    })
    await expect(resolve('example')).rejects.toThrow(notFound)
  })

  it('asks the engine once, and again only after an event', async () => {
    const container = engine.create(httpTenant('shop', await findFreePort()))
    container.start()
    const changed: string[] = []
    resolver.watch?.((id) => changed.push(id))
    await resolve('shop')
    await resolve('shop')
    expect(resolver.resolve(request('shop'), never)).not.toBeInstanceOf(Promise)
    const inspects = () => engine.requests.filter((what) => what.endsWith('/json') && !what.endsWith('containers/json'))
    expect(inspects()).toHaveLength(1)
    changed.length = 0
    await container.stop(500)
    await eventually(() => changed.includes('docker/shop'), 'the change to be seen')
    expect(await resolve('shop')).toMatchObject({ state: 'asleep' })
    expect(inspects()).toHaveLength(2)
  })

  it('wakes a stopped container and puts it to sleep again', async () => {
    const port = await findFreePort()
    const container = engine.create(httpTenant('shop', port))
    const asleep = await resolve('shop')
    expect(asleep.state).toBe('asleep')
    const awake = backend((await resolver.wake?.(asleep, never)) ?? '')
    expect(awake).toMatchObject({ id: 'docker/shop', state: 'ready', endpoints: [{ host: '127.0.0.1', port }] })
    await eventually(() => answers(port), 'the change to be seen')
    expect(await get(port)).toBe('shop')
    await resolver.sleep?.(awake)
    expect(container.status).toBe('exited')
    await resolver.sleep?.(awake)
    await eventually(async () => (await resolve('shop')).state === 'asleep', 'the change to be seen')
  })

  it('sees what it has started itself before the engine tells of it', async () => {
    engine.create(httpTenant('shop', await findFreePort()))
    const asleep = await resolve('shop')
    engine.muted = true
    expect(backend((await resolver.wake?.(asleep, never)) ?? '').state).toBe('ready')
  })

  it('starts it once when two wake it at a time', async () => {
    const container = engine.create(httpTenant('shop', await findFreePort()))
    const asleep = await resolve('shop')
    await Promise.all([resolver.wake?.(asleep, never), resolver.wake?.(asleep, never)])
    expect(container.starts).toBe(1)
  })

  it('waits for the HEALTHCHECK of what it has started', async () => {
    const port = await findFreePort()
    engine.create(httpTenant('shop', port, { healthcheck: answers, delayMs: 300 }))
    await resolver.wake?.(await resolve('shop'), never)
    expect(await get(port)).toBe('shop')
  })

  it('does not route to a container that says it is unhealthy, until it says otherwise', async () => {
    const port = await findFreePort()
    let healthy = true
    engine.create(httpTenant('shop', port, { healthcheck: async () => healthy }))
    await resolver.wake?.(await resolve('shop'), never)
    healthy = false
    await eventually(async () => !(await resolves('shop')), 'the unhealthy container to be left alone')
    await expect(resolve('shop')).rejects.toThrow(unavailable)
    healthy = true
    await eventually(() => resolves('shop'), 'the healthy container to be routed to')
  })

  it('pauses in place of stopping, and unpauses', async () => {
    await resolver.close?.()
    resolver = dockerResolver({ host: engine.host, sleep: 'pause' })
    const port = await findFreePort()
    const container = engine.create(httpTenant('shop', port))
    container.start()
    const { pid } = container
    await eventually(() => answers(port), 'the change to be seen')
    await resolver.sleep?.(await resolve('shop'))
    await eventually(async () => (await resolve('shop')).state === 'asleep', 'the change to be seen')
    expect(container.status).toBe('paused')
    await resolver.sleep?.(backend({ id: 'docker/shop', endpoint: 'x' }))
    await resolver.wake?.(await resolve('shop'), never)
    expect(container.pid).toBe(pid)
    expect(await get(port)).toBe('shop')
  })

  it('fails the wake of a container that ends at once, that the engine cannot start, or that is gone', async () => {
    engine.create({
      ...httpTenant('ends', await findFreePort()),
      command: () => [process.execPath, '-e', 'process.exit(3)'],
      healthcheck: answers,
    })
    engine.create({ ...httpTenant('taken', await findFreePort()), startFails: 'port is already allocated' })
    const gone = engine.create(httpTenant('gone', await findFreePort()))
    const asleep = await resolve('gone')
    await expect(resolver.wake?.(await resolve('ends'), never)).rejects.toMatchObject({
      code: 'PROXY_RESOLVE_UNAVAILABLE',
      cause: { message: expect.stringMatching(/^ends ended: 3/) },
    })
    await expect(resolver.wake?.(await resolve('taken'), never)).rejects.toMatchObject({
      cause: { message: expect.stringContaining('port is already allocated') },
    })
    await engine.remove(gone)
    await eventually(async () => !(await resolves('gone')), 'it to go')
    await expect(resolver.wake?.(asleep, never)).rejects.toThrow(notFound)
    await expect(resolver.sleep?.(asleep)).resolves.toBeUndefined()
  })

  it('knows containers that come, go and are renamed', async () => {
    await expect(resolve('late')).rejects.toThrow(notFound)
    const container = engine.create(httpTenant('late', await findFreePort()))
    await eventually(() => resolves('late'), 'it to be known')
    engine.rename(container, 'later')
    await eventually(async () => (await resolve('late')).id === 'docker/later', 'the change to be seen')
    await engine.remove(container)
    await eventually(async () => !(await resolves('late')), 'it to go')
  })

  it('serves the last known routes while the engine is away, says so, and comes back', async () => {
    const port = await findFreePort()
    engine.create(httpTenant('shop', port)).start()
    const asleep = engine.create(httpTenant('never-asked', await findFreePort()))
    await resolve('shop')
    await engine.away()
    await eventually(() => resolver.stats?.()['engine'] === 'away', 'the change to be seen')
    expect(await resolve('shop')).toMatchObject({ endpoints: [{ port }] })
    await resolver.purge?.('shop')
    expect(await resolve('shop')).toMatchObject({ endpoints: [{ port }] })
    expect(resolver.stats?.()).toMatchObject({ servedStale: 1, error: expect.stringMatching(/./) })
    await expect(resolve('never-asked')).rejects.toThrow(unavailable)
    await expect(resolve('nobody')).rejects.toThrow(unavailable)
    asleep.start()
    await engine.open()
    await eventually(() => resolver.stats?.()['engine'] === 'connected', 'the change to be seen')
    expect(await resolve('never-asked')).toMatchObject({ state: 'ready' })
    await expect(resolve('nobody')).rejects.toThrow(notFound)
    expect(resolver.stats?.()).toMatchObject({ engine: 'connected', reconnects: 1, error: null })
  })

  it('fails at once while the engine was never there, and shows nobody where it should be', async () => {
    await engine.away()
    const error = await resolve('shop').catch((error: unknown) => error as Error)
    expect(error).toEqual(unavailable)
    expect((error as Error).message).not.toContain(directory)
    await engine.open()
    engine.create(httpTenant('shop', await findFreePort()))
    await eventually(() => resolves('shop'), 'it to be known')
  })

  it.each([
    [500, 'server error'],
    [403, 'authorization denied by plugin'],
  ])('is unavailable while the engine answers %i', async (...broken) => {
    engine.broken = broken
    await expect(resolve('shop')).rejects.toThrow(unavailable)
    expect(resolver.stats?.()['error']).toMatch(/API 1\.24/)
  })

  it('takes names of containers from a table or a function', async () => {
    engine.create({ ...httpTenant('tenant-a', await findFreePort()), labels: {} })
    for (const containers of [{ alpha: 'tenant-a' }, (key: string) => (key === 'alpha' ? 'tenant-a' : undefined)]) {
      await resolver.close?.()
      resolver = dockerResolver({ host: engine.host, containers })
      expect(await resolve('alpha')).toMatchObject({ id: 'docker/tenant-a', state: 'asleep' })
      await expect(resolve('tenant-a')).rejects.toThrow(notFound)
      await expect(resolve('constructor')).rejects.toThrow(notFound)
    }
  })

  it('dials the address on a named network', async () => {
    await resolver.close?.()
    resolver = dockerResolver({ host: engine.host, network: 'tenants' })
    engine.create(httpTenant('shop', await findFreePort())).start()
    expect(await resolve('shop')).toMatchObject({ endpoints: [{ host: '127.0.0.1', port: 80 }] })
  })

  it('says what is wrong with labels and ports', async () => {
    const port = await findFreePort()
    engine.create({ ...httpTenant('two', port), exposed: [80, 443] })
    engine.create(httpTenant('odd', port, { labels: { 'proxy.key': 'odd', 'proxy.port': 'http' } }))
    await expect(resolve('two')).rejects.toMatchObject({
      cause: { message: '/two exposes 2 TCP ports; label one as proxy.port' },
    })
    await expect(resolve('odd')).rejects.toMatchObject({
      cause: { message: 'the label proxy.port of /odd is no port' },
    })
  })

  it.each(['ssh://host', 'nonsense', 'unix://', 'npipe:////./pipe/docker_engine'])('refuses the host %s', (host) => {
    expect(() => dockerResolver({ host })).toThrow(code('PROXY_CONFIG_INVALID'))
  })

  it('speaks to an older engine in its version', async () => {
    await engine.close()
    engine = new EngineStandIn({ apiVersion: '1.41' })
    await engine.open()
    await resolver.close?.()
    resolver = dockerResolver({ host: engine.host })
    await expect(resolve('shop')).rejects.toThrow(notFound)
    expect(resolver.stats?.()).toMatchObject({ api: '1.41' })
  })

  it('shows a client certificate to an engine behind TLS', async () => {
    const authority = certificateAuthority()
    const server = authority.server({ name: 'engine' })
    const client = authority.client({ name: 'gateway' })
    await engine.close()
    engine = new EngineStandIn({
      tls: { cert: server.cert, key: server.key, ca: authority.cert, requestCert: true, rejectUnauthorized: true },
    })
    await engine.open()
    await resolver.close?.()
    resolver = dockerResolver({ host: engine.host, tls: { ca: authority.cert, cert: client.cert, key: client.key } })
    await expect(resolve('shop')).rejects.toThrow(notFound)
    await resolver.close?.()
    resolver = dockerResolver({ host: engine.host, tls: { ca: authority.cert } })
    await expect(resolve('shop')).rejects.toThrow(unavailable)
  })
})

describe('conformance', () => {
  const engine = new EngineStandIn()
  const subject = {
    resolver: () => dockerResolver({ host: engine.host }),
    known: [{ key: 'a', endpoint: '127.0.0.1:12001' }],
    unknown: 'nobody',
    asleep: 'b',
  }

  beforeAll(async () => {
    await engine.open()
    engine.create(httpTenant('a', 12_001)).status = 'running'
    engine.create(httpTenant('b', await findFreePort()))
  })

  afterAll(() => engine.close())

  resolverConformance(subject)
})
