import { backend, Gateway, type Protocol } from '@proxy/kernel'
import { cache, coldStart, retry } from '@proxy/kernel/layers'
import { findFreePort, removeDirectory, temporaryDirectory } from '@proxy/test-servers'
import { join } from 'node:path'
import { transportUnderTest } from '@proxy/test-servers/transport'
import { expect, it } from 'vitest'
import { dockerResolver } from '../src/index.ts'
import { EngineStandIn } from './engine-stand-in.ts'
import { answers, eventually, get, httpTenant, never, request } from './tenants.ts'

/** Routes every connection to one key. */
const relayTo = (key: string): Protocol => ({
  api: 1,
  name: 'tcp',
  speaksFirst: 'client',
  serve: async (session) => void (await session.relay(await session.route(key))),
})

it('leads a real client through a gateway to a container that slept, and once more after it was put to sleep', async () => {
  const directory = temporaryDirectory('docker')
  const engine = new EngineStandIn({ socketPath: join(directory, 'docker.sock') })
  await engine.open()
  const container = engine.create(httpTenant('shop', await findFreePort(), { healthcheck: answers, delayMs: 200 }))
  const resolver = dockerResolver({ host: engine.host })
  const gateway = new Gateway({
    listeners: [{ address: '127.0.0.1:0', protocol: relayTo('shop') }],
    resolver,
    layers: [coldStart(), cache(), retry()],
    guard: { allow: ['127.0.0.0/8'] },
    transport: transportUnderTest(),
  })
  await gateway.open()
  const port = gateway.addresses[0]?.port ?? 0
  try {
    expect(await Promise.all(Array.from({ length: 20 }, () => get(port)))).toEqual(Array(20).fill('shop'))
    expect(container.starts).toBe(1)
    await container.stop(500)
    const state = async () => backend(await resolver.resolve(request('shop'), never)).state
    await eventually(async () => (await state()) === 'asleep', 'the stop to be known')
    expect(await get(port)).toBe('shop')
    expect(container.starts).toBe(2)
  } finally {
    await gateway.close()
    await engine.close()
    removeDirectory(directory)
  }
})
