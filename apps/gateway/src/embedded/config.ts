import { type ResolveFunction, ResolveError, type Resolver } from '@proxy/kernel'
import type { GatewayConfig, ListenerConfig } from '../config/types.ts'
import type { EmbeddedPlan } from './plan.ts'

/** Ports of the embedded default. */
export interface EmbeddedPorts {
  readonly http: number
  readonly postgres: number
  readonly mysql: number
  readonly mongodb: number
  readonly smtp: number
  readonly admin: number
}

export const embeddedPorts: EmbeddedPorts = {
  http: 8080,
  postgres: 15_432,
  mysql: 13_306,
  mongodb: 27_018,
  smtp: 8025,
  admin: 9901,
}

/** In place of the resolver, which lives in the primary process alone. */
export const elsewhere: ResolveFunction = () => {
  throw new ResolveError('INTERNAL')
}

const loopback = '127.0.0.1'

// The first connection makes and starts the server, which takes seconds.
const patient = { limits: { handshakeTimeoutMs: 120_000 } }

/** What runs when nothing is configured: everything on loopback, and nothing but its own backends can be reached. */
export function embeddedConfig(
  ports: EmbeddedPorts,
  plan: EmbeddedPlan,
  resolver: Resolver | ResolveFunction,
): GatewayConfig {
  const backends = [plan.web, plan.mail, plan.servers].flatMap((group) => Object.values(group))
  const listener = (name: keyof EmbeddedPorts, more: Partial<ListenerConfig> = {}): ListenerConfig => ({
    name,
    address: `${loopback}:${ports[name]}`,
    protocol: name,
    ...more,
  })
  return {
    listeners: [
      listener('http'),
      listener('postgres', patient),
      listener('mysql', { ...patient, options: { serverVersion: '5.5.5-10.11.0-MariaDB' } }),
      listener('mongodb', patient),
      // Mail programs say whom they write to; what they call themselves few people ever set.
      listener('smtp', { options: { keys: ['recipient'], hostname: 'gateway.localhost' } }),
    ],
    resolver,
    // The resolver knows at once when a server is up, and when it is gone.
    coldStart: { wokenTtlMs: 0 },
    // Soon enough to see it.
    idle: { afterMs: 60_000 },
    guard: { allow: backends.map((port) => `${loopback} ${port}`) },
    admin: { address: `${loopback}:${ports.admin}` },
  }
}
