import type { DockerResolverOptions } from '@proxy/resolver-docker'
import type { KubernetesResolverOptions } from '@proxy/resolver-kubernetes'
import type { RedisResolverOptions } from '@proxy/resolver-redis'

/** Resolvers of packages, by their names: `{ docker: {} }`. Each is loaded when it is named. */
export type DeclaredResolverConfig = DockerResolverConfig | KubernetesResolverConfig | RedisResolverConfig

export interface DockerResolverConfig {
  /** Options of `dockerResolver()`. */
  readonly docker: DockerResolverOptions
}

export interface KubernetesResolverConfig {
  /** Options of `kubernetesResolver()`. */
  readonly kubernetes: KubernetesResolverOptions
}

export interface RedisResolverConfig {
  /** Options of `redisResolver()`. */
  readonly redis: RedisResolverOptions
}
