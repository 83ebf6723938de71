import type { DockerResolverOptions } from '@proxy/resolver-docker'
import type { HttpResolverOptions } from '@proxy/resolver-http'
import type { KubernetesResolverOptions } from '@proxy/resolver-kubernetes'
import type { ProcessResolverOptions } from '@proxy/resolver-process'
import type { RedisResolverOptions } from '@proxy/resolver-redis'

/** Resolvers of packages, by their names: `{ docker: {} }`. Each is loaded when it is named. */
export type DeclaredResolverConfig =
  | DockerResolverConfig
  | HttpResolverConfig
  | KubernetesResolverConfig
  | ProcessResolverConfig
  | RedisResolverConfig

export interface DockerResolverConfig {
  /** Options of `dockerResolver()`. */
  readonly docker: DockerResolverOptions
}

export interface HttpResolverConfig {
  /** Options of `httpResolver()`. */
  readonly http: HttpResolverOptions
}

export interface ProcessResolverConfig {
  /** Options of `processResolver()`. */
  readonly process: ProcessResolverOptions
}

export interface KubernetesResolverConfig {
  /** Options of `kubernetesResolver()`. */
  readonly kubernetes: KubernetesResolverOptions
}

export interface RedisResolverConfig {
  /** Options of `redisResolver()`. */
  readonly redis: RedisResolverOptions
}
