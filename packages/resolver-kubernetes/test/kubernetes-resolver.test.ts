import { backend, type Resolver } from '@proxy/kernel'
import { resolverConformance } from '@proxy/testkit'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { kubernetesResolver, type KubernetesResolverOptions } from '../src/index.ts'
import { ApiStandIn } from './api-stand-in.ts'
import { eventually, get, never, request } from './clients.ts'
import { Controller } from './controller.ts'

const notFound = expect.objectContaining({ code: 'PROXY_RESOLVE_NOT_FOUND' })
const unavailable = expect.objectContaining({ code: 'PROXY_RESOLVE_UNAVAILABLE' })

describe('kubernetesResolver', () => {
  let api: ApiStandIn
  let cluster: Controller
  let resolvers: Resolver[]
  let resolver: Resolver

  const gateway = (options: KubernetesResolverOptions = {}): Resolver => {
    const made = kubernetesResolver({ kubeconfig: api.config, ...options })
    resolvers.push(made)
    return made
  }

  beforeEach(async () => {
    api = new ApiStandIn()
    await api.open()
    cluster = new Controller(api)
    resolvers = []
    resolver = gateway()
  })

  afterEach(async () => {
    await Promise.all(resolvers.map(async (one) => one.close?.()))
    await api.away()
    await cluster.close()
  })

  const resolve = async (key: string, from = resolver) => backend(await from.resolve(request(key), never))
  const stateOf = (key: string) =>
    resolve(key).then(
      ({ state }) => state as string,
      (error: { code: string }) => error.code,
    )
  const become = (key: string, state: string) => eventually(async () => (await stateOf(key)) === state, state)
  const wake = async (key: string, from = resolver) =>
    backend((await from.wake?.(await resolve(key, from), never)) ?? '')

  it('leads a key to the ready pods of its Service', async () => {
    cluster.create('shop', 1)
    await become('shop', 'ready')
    const [port] = cluster.ports('shop')
    expect(await resolve('shop')).toMatchObject({
      id: 'kubernetes/tenants/shop',
      endpoints: [{ host: '127.0.0.1', port }],
    })
    expect(resolver.resolve(request('shop'), never)).not.toBeInstanceOf(Promise)
    await expect(resolve('example')).rejects.toThrow(notFound)
  })

  it.each(['deployments', 'statefulsets'])(
    'scales %s from 0 to 1, waits for the pod, and back to 0',
    async (resource) => {
      cluster.create('shop', 0, resource)
      expect(await resolve('shop')).toMatchObject({ state: 'asleep' })
      const awake = await wake('shop')
      expect(awake.state).toBe('ready')
      expect(await get(awake.endpoints[0]?.port ?? 0)).toBe('shop')
      await resolver.sleep?.(awake)
      expect(cluster.replicas('shop', resource)).toBe(0)
      await become('shop', 'asleep')
    },
  )

  it('starts one pod for any number of gateways', async () => {
    cluster.create('shop')
    const gateways = [resolver, gateway(), gateway()]
    const awake = await Promise.all(gateways.map((one) => wake('shop', one)))
    expect(new Set(awake.map(({ endpoints }) => endpoints[0]?.port)).size).toBe(1)
    expect(cluster.started).toBe(1)
    expect(cluster.replicas('shop')).toBe(1)
  })

  it('does not scale down what an operator has scaled up between its look and its change', async () => {
    cluster.create('shop')
    await resolve('shop')
    const known = api.objects.get('deployments', 'tenants', 'shop')
    api.beforeScale = () => void api.objects.put('deployments', { ...known!, spec: { replicas: 2 } })
    await wake('shop')
    expect(cluster.replicas('shop')).toBe(2)
    expect(api.requests.filter((what) => what === 'patch deployments/scale')).toHaveLength(1)
  })

  it('does not undo the start that another gateway has made for its sessions', async () => {
    cluster.create('shop', 1)
    await become('shop', 'ready')
    const other = gateway()
    const { metadata } = await resolve('shop', other)
    const known = api.objects.get('deployments', 'tenants', 'shop')
    // Right before this gateway's change the other one takes a session, and touches the workload.
    api.beforeScale = () => {
      api.objects.put('deployments', { ...known! })
      api.objects.put('leases', {
        kind: 'Lease',
        metadata: {
          name: 'proxy-shop',
          namespace: 'tenants',
          annotations: { 'proxy/used-by-other': new Date().toISOString() },
        },
      })
    }
    await resolver.sleep?.(backend({ id: 'kubernetes/tenants/shop', endpoint: 'x', metadata }))
    expect(cluster.replicas('shop')).toBe(1)
    expect(cluster.started).toBe(1)
  })

  it('lets a workload run while any gateway has sessions there', async () => {
    cluster.create('shop', 1)
    await become('shop', 'ready')
    const other = gateway()
    const { metadata } = await resolve('shop', other)
    other.onConnect?.('shop', metadata)
    const mark = () => api.objects.get('leases', 'tenants', 'proxy-shop')?.metadata.annotations ?? {}
    await eventually(() => Object.keys(mark()).length === 1, 'the mark of the other gateway')
    const awake = await resolve('shop')
    await resolver.sleep?.(awake)
    expect(cluster.replicas('shop')).toBe(1)
    other.onDisconnect?.('shop', metadata)
    await eventually(() => Object.keys(mark()).length === 0, 'the mark to go')
    await resolver.sleep?.(awake)
    expect(cluster.replicas('shop')).toBe(0)
  })

  it('takes off its marks when it closes', async () => {
    cluster.create('shop', 1)
    await become('shop', 'ready')
    resolver.onConnect?.('shop', (await resolve('shop')).metadata)
    const marks = () => Object.keys(api.objects.get('leases', 'tenants', 'proxy-shop')?.metadata.annotations ?? {})
    await eventually(() => marks().length === 1, 'the mark')
    await resolver.close?.()
    expect(marks()).toEqual([])
  })

  it('gives pods that end, and serve still, as draining, and wakes when there are no others', async () => {
    cluster.graceMs = 500
    cluster.create('shop', 1)
    cluster.create('plain', 1, 'deployments', { 'proxy/workload': 'none' })
    await become('shop', 'ready')
    await become('plain', 'ready')
    const plain = api.objects.get('deployments', 'tenants', 'plain')
    api.objects.put('deployments', { ...plain!, spec: { replicas: 0 } })
    await eventually(async () => (await resolve('plain')).endpoints[0]?.draining === true, 'the pod to drain')
    const shop = api.objects.get('deployments', 'tenants', 'shop')
    api.objects.put('deployments', { ...shop!, spec: { replicas: 0 } })
    await become('shop', 'asleep')
  })

  it('is unavailable, not asleep, where there is neither a pod nor a workload', async () => {
    cluster.create('plain', 0, 'deployments', { 'proxy/workload': 'none' })
    await expect(resolve('plain')).rejects.toThrow(unavailable)
  })

  it('lists anew when the server has forgotten the history', async () => {
    cluster.create('shop')
    await resolve('shop')
    await eventually(() => api.watches === 2, 'the watches')
    api.objects.put('leases', { kind: 'Lease', metadata: { name: 'other', namespace: 'tenants' } })
    api.objects.compact()
    api.endWatches()
    cluster.create('late')
    await become('late', 'asleep')
    await eventually(() => api.requests.filter((what) => what.startsWith('list')).length === 4, 'both lists again')
    expect(resolver.stats?.()).toMatchObject({ api: 'connected', error: null })
  })

  it('goes on from where a watch has ended, from the bookmark when nothing else came', async () => {
    cluster.create('shop')
    await resolve('shop')
    await eventually(() => api.watches === 2, 'the watches')
    api.objects.version += 10
    api.bookmark()
    await new Promise((resolve) => setTimeout(resolve, 50))
    api.objects.compact()
    api.endWatches()
    await eventually(
      () => api.watches === 2 && api.requests.filter((what) => what.startsWith('watch')).length === 4,
      'them again',
    )
    cluster.create('late')
    await become('late', 'asleep')
    expect(api.requests.filter((what) => what.startsWith('list'))).toHaveLength(2)
  })

  it('serves the last known routes while the API server is away, says so, and comes back', async () => {
    cluster.create('shop', 1)
    await become('shop', 'ready')
    await api.away()
    await eventually(() => resolver.stats?.()['api'] === 'away', 'the loss to be seen')
    expect(await stateOf('shop')).toBe('ready')
    expect(await stateOf('nobody')).toBe('PROXY_RESOLVE_UNAVAILABLE')
    expect(resolver.stats?.()['error']).toMatch(/cannot be reached/)
    await expect(resolver.sleep?.(await resolve('shop'))).rejects.toThrow(unavailable)
    await api.open()
    await eventually(() => resolver.stats?.()['api'] === 'connected', 'its return')
    expect(await stateOf('nobody')).toBe('PROXY_RESOLVE_NOT_FOUND')
  })

  it.each(['list services', 'list endpointslices'])('says which right is missing: %s', async (right) => {
    api.forbidden.add(right)
    cluster.create('shop', 1)
    expect(await stateOf('shop')).toBe('PROXY_RESOLVE_UNAVAILABLE')
    expect(resolver.stats?.()['error']).toMatch(
      new RegExp(`forbidden to list and watch ${right.slice(5)}.* in tenants`),
    )
    api.forbidden.clear()
    await become('shop', 'ready')
  })

  it('says which right is missing to wake and to put to sleep', async () => {
    cluster.create('shop')
    api.forbidden.add('patch deployments/scale')
    await expect(wake('shop')).rejects.toMatchObject({
      code: 'PROXY_RESOLVE_UNAVAILABLE',
      cause: { message: expect.stringContaining('patch the scale of deployment tenants/shop') },
    })
    api.forbidden.clear()
    api.forbidden.add('get leases')
    const awake = await wake('shop')
    await expect(resolver.sleep?.(awake)).rejects.toMatchObject({
      cause: { message: expect.stringContaining('lease') },
    })
    expect(cluster.replicas('shop')).toBe(1)
  })

  it('fails the wake of a Service that is deleted meanwhile', async () => {
    cluster.create('shop')
    api.objects.delete('deployments', 'tenants', 'shop')
    await expect(wake('shop')).rejects.toMatchObject({ cause: { message: expect.stringContaining('404') } })
    const asleep = await resolve('shop')
    api.objects.delete('services', 'tenants', 'shop')
    await become('shop', 'PROXY_RESOLVE_NOT_FOUND')
    await expect(resolver.wake?.(asleep, never)).rejects.toThrow(notFound)
  })

  it('follows the annotations of a Service', async () => {
    cluster.create('shop', 1, 'deployments', { 'proxy/key': 'a.example, b.example' })
    await become('a.example', 'ready')
    cluster.create('shop', 1, 'deployments', { 'proxy/key': 'b.example', 'proxy/port': 'admin' })
    await become('a.example', 'PROXY_RESOLVE_NOT_FOUND')
    await expect(resolve('b.example')).rejects.toMatchObject({
      code: 'PROXY_RESOLVE_INTERNAL',
      cause: { message: 'tenants/shop has no port admin, as proxy/port says' },
    })
    cluster.create('shop', 1, 'deployments', { 'proxy/key': 'b.example', 'proxy/port': '80' })
    await become('b.example', 'ready')
  })

  it('takes names of Services from a table, with workloads of the same name, over all namespaces', async () => {
    cluster.create('shop', 0, 'statefulsets', { 'proxy/workload': 'none' })
    const own = gateway({ namespace: '*', services: { alpha: 'tenants/shop' }, workload: 'statefulset' })
    const error = await resolve('alpha', own).catch((error: unknown) => error)
    expect(error).toEqual(unavailable)
    const service = api.objects.get('services', 'tenants', 'shop')
    api.objects.put('services', { ...service!, metadata: { name: 'shop', namespace: 'tenants' } })
    await eventually(async () => (await resolve('alpha', own).catch(() => undefined))?.state === 'asleep', 'the change')
    expect((await wake('alpha', own)).state).toBe('ready')
    await expect(resolve('constructor', own)).rejects.toThrow(notFound)
  })

  it('looks only at what the selector selects', async () => {
    cluster.create('shop')
    const selective = gateway({ labelSelector: 'tier=tenant' })
    await expect(resolve('shop', selective)).rejects.toThrow(notFound)
    const service = api.objects.get('services', 'tenants', 'shop')
    api.objects.put('services', { ...service!, metadata: { ...service!.metadata, labels: { tier: 'tenant' } } })
    await eventually(
      () =>
        resolve('shop', selective).then(
          () => true,
          () => false,
        ),
      'the labelled Service',
    )
  })

  it('refuses a kubeconfig that is not there', () => {
    expect(() => kubernetesResolver({ kubeconfig: 'no/such/file' })).toThrow(
      expect.objectContaining({ code: 'PROXY_CONFIG_INVALID' }),
    )
  })
})

describe('conformance', () => {
  const api = new ApiStandIn()
  const cluster = new Controller(api)

  beforeAll(async () => {
    await api.open()
    cluster.create('sleepy')
    api.objects.put('services', {
      kind: 'Service',
      metadata: { name: 'alpha', namespace: 'tenants', annotations: { 'proxy/key': 'alpha' } },
      spec: { ports: [{ port: 5432 }] },
    })
    api.objects.put('endpointslices', {
      kind: 'EndpointSlice',
      metadata: { name: 'alpha-1', namespace: 'tenants', labels: { 'kubernetes.io/service-name': 'alpha' } },
      endpoints: [{ addresses: ['10.1.0.1'], conditions: {} }],
      ports: [{ name: '', port: 15432 }],
    })
  })

  afterAll(async () => {
    await api.away()
    await cluster.close()
  })

  resolverConformance({
    resolver: () => kubernetesResolver({ kubeconfig: api.config }),
    known: [{ key: 'alpha', endpoint: '10.1.0.1:15432' }],
    unknown: 'nobody',
    asleep: 'sleepy',
  })
})
