import type { V1Scale } from '@kubernetes/client-node'
import { type Api, explained, merge, statusOf } from './api.ts'
import type { Known } from './catalog.ts'

const WORKLOAD = 'proxy/workload'
const ATTEMPTS = 5

/** The Deployment or StatefulSet behind a Service. */
export interface Workload {
  readonly kind: 'deployment' | 'statefulset'
  readonly name: string
  readonly namespace: string
}

/** undefined: there is none to scale, or none that is understood. */
export function workloadOf({ id, service }: Known, kind: Workload['kind'] | undefined): Workload | undefined {
  const [namespace = '', name = ''] = id.split('/')
  const reference = service.metadata?.annotations?.[WORKLOAD]
  if (reference === undefined) return kind === undefined ? undefined : { kind, name, namespace }
  const [, written = '', target = ''] = /^(deployment|statefulset)\/([a-z0-9.-]+)$/i.exec(reference) ?? []
  return target === '' ? undefined : { kind: written.toLowerCase() as Workload['kind'], name: target, namespace }
}

/**
 * Scales from 0 to 1, and leaves everything else as it is: of any number of gateways that do so at a time one changes it.
 * Rejects with an error for the logs.
 */
export function scaleUp(api: Api, workload: Workload): Promise<void> {
  return rescale(api, workload, (replicas) => (replicas === 0 ? 1 : undefined))
}

/**
 * Scales to 0. `mayGo` is asked after the version was read that the change is bound to: whatever happens to the workload from
 * then on, a gateway that has just started it for one, makes it a conflict, and the question is asked again.
 */
export function scaleDown(api: Api, workload: Workload, mayGo: () => Promise<boolean>): Promise<void> {
  return rescale(api, workload, async (replicas) => (replicas > 0 && (await mayGo()) ? 0 : undefined))
}

type Decision = number | undefined | Promise<number | undefined>

async function rescale(api: Api, workload: Workload, decide: (replicas: number) => Decision): Promise<void> {
  for (let attempt = 1; ; attempt++) {
    const { metadata, spec } = await asked(read(api, workload), workload, 'read')
    const replicas = await decide(spec?.replicas ?? 0)
    if (replicas === undefined) return
    const body = { metadata: { resourceVersion: metadata?.resourceVersion }, spec: { replicas } }
    try {
      await patch(api, workload, body)
      return
    } catch (error) {
      if (statusOf(error) !== 409 || attempt === ATTEMPTS) throw failure(error, workload, 'patch')
    }
  }
}

async function asked<T>(promise: Promise<T>, workload: Workload, verb: string): Promise<T> {
  try {
    return await promise
  } catch (error) {
    throw failure(error, workload, verb)
  }
}

function failure(error: unknown, { kind, name, namespace }: Workload, verb: string): Error {
  return explained(error, `${verb} the scale of ${kind} ${namespace}/${name}`)
}

function read({ apps }: Api, { kind, name, namespace }: Workload): Promise<V1Scale> {
  const target = { name, namespace }
  return kind === 'deployment'
    ? apps.readNamespacedDeploymentScale(target)
    : apps.readNamespacedStatefulSetScale(target)
}

function patch({ apps }: Api, { kind, name, namespace }: Workload, body: object): Promise<V1Scale> {
  const target = { name, namespace, body }
  return kind === 'deployment'
    ? apps.patchNamespacedDeploymentScale(target, merge)
    : apps.patchNamespacedStatefulSetScale(target, merge)
}
