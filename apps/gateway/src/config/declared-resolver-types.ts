import type { DockerResolverOptions } from '@proxy/resolver-docker'
import type { KubernetesResolverOptions } from '@proxy/resolver-kubernetes'

/** Resolvers of packages, by their names: `{ docker: {} }`. Each is loaded when it is named. */
export type DeclaredResolverConfig = DockerResolverConfig | KubernetesResolverConfig

export interface DockerResolverConfig {
  /** Options of `dockerResolver()`. */
  readonly docker: DockerResolverOptions
}

export interface KubernetesResolverConfig {
  /** Options of `kubernetesResolver()`. */
  readonly kubernetes: KubernetesResolverOptions
}
