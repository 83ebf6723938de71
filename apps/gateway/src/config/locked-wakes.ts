import type { ResolveFunction, Resolver } from '@proxy/kernel'
import type { ClusterConfig } from './types.ts'

/** The resolver whose wakes happen once among all machines, where the cluster was told so. */
export async function lockedWakes(
  resolver: Resolver | ResolveFunction,
  cluster: ClusterConfig | undefined,
): Promise<Resolver | ResolveFunction> {
  if (cluster?.lockWakes !== true || typeof resolver === 'function' || resolver.name === 'redis') return resolver
  const { redisLocked } = await import('@proxy/resolver-redis')
  const { redis, prefix } = cluster
  return redisLocked(resolver, { redis, prefix })
}
