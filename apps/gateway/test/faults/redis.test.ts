import { once } from 'node:events'
import { type IncomingMessage, request } from 'node:http'
import { RedisRoutes, type RedisSource } from '@proxy/resolver-redis'
import {
  describeNeeding,
  findFreePort,
  type HttpBackend,
  httpBackend,
  type Launched,
  redisSentinels,
  redisServer,
} from '@proxy/test-servers'
import { afterAll, afterEach, beforeAll, expect, it } from 'vitest'
import { directoryOf, startGateway } from '../gateway-process.ts'
import { printRecords, record } from './record.ts'

describeNeeding(['redis-server'], 'Redis', () => {
  let backend: HttpBackend
  let gateway: Launched | undefined
  let port: number

  beforeAll(async () => {
    backend = await httpBackend('hello')
  })

  afterEach(async () => {
    await gateway?.stop('SIGKILL')
    gateway = undefined
  })

  afterAll(async () => {
    printRecords()
    await backend.close()
  })

  /** A gateway that asks for every request, and a route for `alpha`. */
  async function open(redis: RedisSource): Promise<void> {
    await putRoutes(redis)
    port = await findFreePort()
    const config = {
      listeners: [{ address: `127.0.0.1:${port}`, protocol: 'http' }],
      resolver: { redis: { redis } },
      cache: false,
      guard: { allow: ['127.0.0.0/8'] },
      admin: false,
      workers: 1,
      log: { pretty: false },
    }
    gateway = await startGateway({ cwd: directoryOf({ 'gateway.config.json': JSON.stringify(config) }) })
    expect(await ask('alpha')).toBe(200)
  }

  async function ask(tenant: string): Promise<number> {
    const headers = { host: `${tenant}.localhost`, connection: 'close' }
    const [response] = (await once(request({ port, host: '127.0.0.1', headers, agent: false }).end(), 'response')) as [
      IncomingMessage,
    ]
    await once(response.resume(), 'end')
    return response.statusCode!
  }

  /** Milliseconds until a tenant that was not known before is served; the known one is all the while. */
  async function untilWell(): Promise<number> {
    const begun = performance.now()
    while ((await ask('beta')) !== 200) {
      expect(await ask('alpha')).toBe(200)
      expect(performance.now() - begun).toBeLessThan(20_000)
    }
    return Math.round(performance.now() - begun)
  }

  async function putRoutes(redis: RedisSource): Promise<void> {
    const routes = new RedisRoutes({ redis })
    for (const tenant of ['alpha', 'beta']) await routes.put(`${tenant}.localhost`, backend.endpoint)
    routes.close()
  }

  /** Known tenants are served, others are told to come back. */
  async function standsIt(): Promise<void> {
    for (let count = 0; count < 20; count++) expect(await ask('alpha')).toBe(200)
    expect(await ask('beta')).toBe(503)
  }

  it('that is down: known tenants are served, others are told 503', async () => {
    await using server = await redisServer()
    await open(server.url)
    await server.kill()
    await standsIt()
    await server.start()
    // It had nothing written down.
    await putRoutes(server.url)
    record('Redis: down', 'http', '503; known tenants are served', await untilWell())
  })

  it('that is silent: known tenants are served, others are told 503', async () => {
    await using server = await redisServer()
    await open(server.url)
    server.signal('SIGSTOP')
    await standsIt()
    server.signal('SIGCONT')
    record('Redis: silent', 'http', '503; known tenants are served', await untilWell())
  })

  it('that fails over: known tenants are served, others as soon as there is a new primary', async () => {
    const { primary, sentinels, name, stop } = await redisSentinels()
    try {
      await open({ sentinels: [...sentinels], name })
      await primary.kill()
      await standsIt()
      record('Redis: failed over', 'http', '503; known tenants are served', await untilWell())
    } finally {
      await stop()
    }
  })
})
