import { ResolveError, type RouteRequest } from '@proxy/kernel'
import type { EmbeddedPlan } from './plan.ts'
import { isServerName, servers } from './servers.ts'
import { tenants } from './tenants.ts'

/** A plan that is being made. */
export type EmbeddedNames = { -readonly [K in keyof EmbeddedPlan]: { -readonly [N in keyof EmbeddedPlan[K]]: number } }

export const webName = (tenant: string): string => `http-${tenant}`
export const mailName = (tenant: string): string => `smtp-${tenant}`

/** For people. */
export const titleOf = (name: string): string => (isServerName(name) ? servers[name].title : name)

/** Name of the backend that a request is for. The listeners of the embedded default are named after what stands behind them. */
export function embeddedName({ listener, key }: RouteRequest, plan: EmbeddedPlan): string {
  if (isServerName(listener)) {
    if (!isTenant(key)) throw unknown(tenants)
    if (plan.servers[listener] !== undefined) return listener
    throw new ResolveError('UNAVAILABLE', { hint: `Install it: ${servers[listener].install}` })
  }
  const tenant = key.endsWith('.localhost') ? key.slice(0, -'.localhost'.length) : ''
  if (!isTenant(tenant)) throw unknown(tenants.map((name) => `${name}.localhost`))
  return listener === 'smtp' ? mailName(tenant) : webName(tenant)
}

const isTenant = (name: string): boolean => (tenants as readonly string[]).includes(name)

const unknown = (known: readonly string[]): ResolveError =>
  new ResolveError('NOT_FOUND', { hint: `Try ${known.join(' or ')}.` })
