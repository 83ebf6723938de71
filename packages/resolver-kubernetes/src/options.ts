import type { KubeConfig } from '@kubernetes/client-node'

export interface KubernetesResolverOptions {
  /** Namespace of the Services; `*` for all of them. Default: that of the context, in a cluster the pod's own. */
  readonly namespace?: string | undefined
  /** Only Services, and their EndpointSlices, with these labels: `tier=tenant,env!=test`. Default: all of the namespace. */
  readonly labelSelector?: string | undefined
  /**
   * Names of Services by key (`name` or `namespace/name`), or a function that gives the name for a key, undefined for an unknown
   * one. Default: the Service whose annotation `proxy/key` is the key, or holds it in a list with commas.
   */
  readonly services?: Readonly<Record<string, string>> | ((key: string) => string | undefined) | undefined
  /**
   * Every Service has a workload of this kind under its own name, which is scaled. Default: only Services that name theirs in the
   * annotation `proxy/workload`, as `deployment/name` or `statefulset/name`.
   */
  readonly workload?: 'deployment' | 'statefulset' | undefined
  /** False: workloads are woken, but never scaled to zero, and no Leases are written. Default true. */
  readonly scaleToZero?: boolean | undefined
  /** Path of a kubeconfig file, or a loaded one. Default: `KUBECONFIG`, `~/.kube/config` or the pod's service account. */
  readonly kubeconfig?: string | KubeConfig | undefined
}
