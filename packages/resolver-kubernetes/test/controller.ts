import { findFreePort, type Launched, launch } from '@proxy/test-servers'
import type { ApiStandIn } from './api-stand-in.ts'
import type { Change } from './api-objects.ts'
import { answers, eventually } from './clients.ts'

const NAMESPACE = 'tenants'

interface Pod {
  readonly name: string
  readonly port: number
  readonly process: Launched
}

/** What the controllers of a cluster do: keeps as many "pods", which are processes, as a workload asks for, with a slice for each. */
export class Controller {
  readonly #api: ApiStandIn
  readonly #pods = new Map<string, Pod[]>()
  readonly #unwatch: () => void
  /** Pods that were ever started. */
  started = 0
  /** How long a pod serves on after it was told to end, in milliseconds. */
  graceMs = 0

  constructor(api: ApiStandIn) {
    this.#api = api
    this.#unwatch = api.objects.onChange((change) => this.#reconcile(change))
  }

  /** A Service with a workload of the same name. */
  create(name: string, replicas = 0, resource = 'deployments', annotations: Record<string, string> = {}): void {
    const metadata = { name, namespace: NAMESPACE }
    const kind = resource === 'deployments' ? 'deployment' : 'statefulset'
    this.#api.objects.put('services', {
      kind: 'Service',
      metadata: {
        ...metadata,
        annotations: { 'proxy/key': name, 'proxy/workload': `${kind}/${name}`, ...annotations },
      },
      spec: { ports: [{ name: 'http', port: 80, protocol: 'TCP' }] },
    })
    this.#api.objects.put(resource, { kind, metadata, spec: { replicas } })
  }

  replicas(name: string, resource = 'deployments'): unknown {
    return this.#api.objects.get(resource, NAMESPACE, name)?.spec?.['replicas']
  }

  ports(name: string): number[] {
    return (this.#pods.get(name) ?? []).map(({ port }) => port)
  }

  async close(): Promise<void> {
    this.#unwatch()
    await Promise.all([...this.#pods.values()].flat().map(({ process }) => process.stop('SIGKILL')))
  }

  #reconcile({ resource, object }: Change): void {
    if (resource !== 'deployments' && resource !== 'statefulsets') return
    const { name } = object.metadata
    const pods = this.#pods.get(name) ?? []
    this.#pods.set(name, pods)
    const wanted = Number(object.spec?.['replicas'])
    for (const pod of pods.splice(wanted)) void this.#end(name, pod)
    if (wanted > pods.length) void this.#begin(name, pods)
  }

  async #begin(name: string, pods: Pod[]): Promise<void> {
    const script = `require('node:http').createServer((request, response) => response.end(${JSON.stringify(name)}))
      .listen(Number(process.argv[1]), '127.0.0.1')`
    const number = ++this.started
    const port = await findFreePort()
    const pod = { name: `${name}-${number}`, port, process: launch(process.execPath, ['-e', script, String(port)]) }
    pods.push(pod)
    this.#slice(name, pod, { ready: false, serving: false, terminating: false })
    await eventually(() => answers(port), 'the pod to serve')
    if (pods.includes(pod)) this.#slice(name, pod, { ready: true, serving: true, terminating: false })
  }

  async #end(name: string, pod: Pod): Promise<void> {
    this.#slice(name, pod, { ready: false, serving: true, terminating: true })
    await new Promise((resolve) => setTimeout(resolve, this.graceMs))
    await pod.process.stop('SIGKILL')
    this.#api.objects.delete('endpointslices', NAMESPACE, pod.name)
  }

  #slice(service: string, { name, port }: Pod, conditions: Readonly<Record<string, boolean>>): void {
    this.#api.objects.put('endpointslices', {
      kind: 'EndpointSlice',
      metadata: { name, namespace: NAMESPACE, labels: { 'kubernetes.io/service-name': service } },
      addressType: 'IPv4',
      endpoints: [{ addresses: ['127.0.0.1'], conditions }],
      ports: [{ name: 'http', port, protocol: 'TCP' }],
    })
  }
}
