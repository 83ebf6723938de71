import { backend, Gateway, type Protocol } from '@proxy/kernel'
import { cache, coldStart, retry } from '@proxy/kernel/layers'
import { transportUnderTest } from '@proxy/test-servers/transport'
import { expect, it } from 'vitest'
import { kubernetesResolver } from '../src/index.ts'
import { ApiStandIn } from './api-stand-in.ts'
import { eventually, get, never, request } from './clients.ts'
import { Controller } from './controller.ts'

/** Routes every connection to one key. */
const relayTo = (key: string): Protocol => ({
  api: 1,
  name: 'tcp',
  speaksFirst: 'client',
  serve: async (session) => void (await session.relay(await session.route(key))),
})

it('leads real clients through two gateways to one pod that was not there, and again after it was scaled away', async () => {
  const api = new ApiStandIn()
  await api.open()
  const cluster = new Controller(api)
  cluster.create('shop')
  const resolvers = [0, 1].map(() => kubernetesResolver({ kubeconfig: api.config }))
  const gateways = resolvers.map(
    (resolver) =>
      new Gateway({
        listeners: [{ address: '127.0.0.1:0', protocol: relayTo('shop') }],
        resolver,
        layers: [coldStart(), cache(), retry()],
        guard: { allow: ['127.0.0.0/8'] },
        transport: transportUnderTest(),
      }),
  )
  await Promise.all(gateways.map((gateway) => gateway.open()))
  const ports = gateways.map(({ addresses }) => addresses[0]?.port ?? 0)
  const state = async (index: number) => backend((await resolvers[index]?.resolve(request('shop'), never)) ?? '').state
  try {
    const answers = ports.flatMap((port) => Array.from({ length: 10 }, () => get(port)))
    expect(await Promise.all(answers)).toEqual(Array(20).fill('shop'))
    expect(cluster.started).toBe(1)
    const marks = () => Object.keys(api.objects.get('leases', 'tenants', 'proxy-shop')?.metadata.annotations ?? {})
    await eventually(() => resolvers.every((one) => one.stats?.()['busy'] === 0) && marks().length === 0, 'idleness')
    await resolvers[0]?.sleep?.(backend((await resolvers[0].resolve(request('shop'), never)) ?? ''))
    await eventually(async () => (await state(0)) === 'asleep' && (await state(1)) === 'asleep', 'sleep')
    expect(await get(ports[1] ?? 0)).toBe('shop')
    expect(cluster.started).toBe(2)
  } finally {
    await Promise.all(gateways.map((gateway) => gateway.close()))
    await api.away()
    await cluster.close()
  }
})
