import {
  ApiException,
  AppsV1Api,
  CoordinationV1Api,
  CoreV1Api,
  DiscoveryV1Api,
  KubeConfig,
  PatchStrategy,
  setHeaderOptions,
  Watch,
} from '@kubernetes/client-node'
import { GatewayError } from '@proxy/kernel'
import type { KubernetesResolverOptions } from './options.ts'

/** The clients of the API groups that are needed, and what they all share. */
export interface Api {
  readonly namespace: string
  readonly apps: AppsV1Api
  readonly coordination: CoordinationV1Api
  readonly core: CoreV1Api
  readonly discovery: DiscoveryV1Api
  readonly watch: Watch
}

/** For a patch that names only what it changes (RFC 7386). */
export const merge: ReturnType<typeof setHeaderOptions> = setHeaderOptions('Content-Type', PatchStrategy.MergePatch)

/** Throws `PROXY_CONFIG_INVALID` when the kubeconfig cannot be read or has no current cluster. */
export function connect({ kubeconfig, namespace }: KubernetesResolverOptions): Api {
  const config = load(kubeconfig)
  return {
    namespace: namespace ?? config.getContextObject(config.getCurrentContext())?.namespace ?? 'default',
    apps: config.makeApiClient(AppsV1Api),
    coordination: config.makeApiClient(CoordinationV1Api),
    core: config.makeApiClient(CoreV1Api),
    discovery: config.makeApiClient(DiscoveryV1Api),
    watch: new Watch(config),
  }
}

function load(kubeconfig: string | KubeConfig | undefined): KubeConfig {
  const config = typeof kubeconfig === 'object' ? kubeconfig : new KubeConfig()
  try {
    if (typeof kubeconfig === 'string') config.loadFromFile(kubeconfig)
    else if (kubeconfig === undefined) config.loadFromDefault()
  } catch (cause) {
    throw new GatewayError('PROXY_CONFIG_INVALID', { message: 'the kubeconfig cannot be read', cause })
  }
  if (config.getCurrentCluster() !== null) return config
  throw new GatewayError('PROXY_CONFIG_INVALID', { message: 'the kubeconfig has no current cluster' })
}

/** The HTTP status of what the API server answered; undefined when it was not reached. */
export function statusOf(error: unknown): number | undefined {
  if (error instanceof ApiException) return error.code
  const { statusCode, code } = (error ?? {}) as { readonly statusCode?: unknown; readonly code?: unknown }
  return [statusCode, code].find((status) => typeof status === 'number')
}

/** For logs: what went wrong, and what to do about it where that is known. */
export function explained(error: unknown, what: string): Error {
  const status = statusOf(error)
  if (status === 403) return new Error(`forbidden to ${what}: give the gateway's service account a Role that allows it`)
  if (status === 401) return new Error(`the credentials of the gateway were refused, to ${what}`)
  if (status !== undefined) return new Error(`the API server answered ${status}, to ${what}`, { cause: error })
  return new Error(`the API server cannot be reached, to ${what}`, { cause: error })
}
