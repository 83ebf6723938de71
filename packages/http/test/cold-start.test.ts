import { once } from 'node:events'
import { createServer, request } from 'node:http'
import { Gateway, type Resolver } from '@proxy/kernel'
import { coldStart, idle } from '@proxy/kernel/layers'
import { transportUnderTest } from '@proxy/test-servers/transport'
import { afterEach, describe, expect, it } from 'vitest'
import { http } from '../src/index.ts'

const cleanups: (() => unknown)[] = []
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup()
})

interface Answer {
  readonly status: number | undefined
  readonly retryAfter: string | undefined
}

/** A gateway in front of a web server that nobody has started yet. */
async function sleeping(options: Parameters<typeof coldStart>[0], afterMs = 300_000) {
  const server = createServer((_request, response) => response.end('hello'))
  cleanups.push(() => server.close())
  const gate = Promise.withResolvers<void>()
  const asleep = Promise.withResolvers<void>()
  let port = 0
  let wakes = 0
  const resolver: Resolver = {
    name: 'sleepy',
    resolve: () => ({ id: 'alpha', endpoint: `127.0.0.1:${port || 1}`, state: port === 0 ? 'asleep' : 'ready' }),
    wake: async () => {
      wakes++
      await gate.promise
      server.listen(0, '127.0.0.1')
      await once(server, 'listening')
      port = (server.address() as { port: number }).port
      return { id: 'alpha', endpoint: `127.0.0.1:${port}` }
    },
    sleep: () => asleep.resolve(),
  }
  const gateway = new Gateway({
    listeners: [{ address: '127.0.0.1:0', protocol: http({ poolIdleTimeoutMs: 50 }) }],
    resolver,
    layers: [coldStart(options), idle({ afterMs })],
    guard: { allow: ['127.0.0.0/8'] },
    transport: transportUnderTest(),
  })
  await gateway.open()
  cleanups.push(() => gateway.close())
  const ask = async (): Promise<Answer> => {
    const asking = request({ port: gateway.addresses[0]?.port, host: '127.0.0.1', headers: { host: 'alpha.test' } })
    asking.end()
    const [response] = await once(asking, 'response')
    response.resume()
    return { status: response.statusCode, retryAfter: response.headers['retry-after'] }
  }
  return { gateway, ask, start: gate.resolve, asleep: asleep.promise, wakes: () => wakes }
}

describe('requests for a backend that sleeps', () => {
  it('wait for it', async () => {
    const { ask, start, gateway, wakes } = await sleeping({})
    const asked = Promise.withResolvers<void>()
    gateway.hooks.on('wake:start', () => asked.resolve())
    const answers = Promise.all(Array.from({ length: 20 }, ask))
    await asked.promise
    start()
    expect((await answers).map(({ status }) => status)).toEqual(Array.from({ length: 20 }, () => 200))
    expect(wakes()).toBe(1)
  })

  it('are answered with 503 and Retry-After where they should not wait, and the start goes on', async () => {
    const { ask, start, gateway, wakes } = await sleeping({ patienceMs: { http: 0 } })
    const served = Promise.withResolvers<void>()
    gateway.hooks.on('wake:end', () => served.resolve())
    for (let times = 0; times < 3; times++) expect(await ask()).toEqual({ status: 503, retryAfter: '1' })
    start()
    await served.promise
    expect(await ask()).toEqual({ status: 200, retryAfter: undefined })
    expect(wakes()).toBe(1)
  })
})

it('lets a backend sleep although a client stays connected that asks for nothing', async () => {
  const { gateway, ask, start, asleep } = await sleeping({}, 200)
  start()
  await ask()
  await asleep
  expect(gateway.stats().layers['idle']).toEqual({ busy: 0, idle: 0 })
})
