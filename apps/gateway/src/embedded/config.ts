import type { Resolver } from '@proxy/kernel'
import type { GatewayConfig } from '../config/types.ts'
import type { EmbeddedPlan } from './plan.ts'

/** Ports of the embedded default. */
export interface EmbeddedPorts {
  readonly http: number
  readonly postgres: number
  readonly admin: number
}

export const embeddedPorts: EmbeddedPorts = { http: 8080, postgres: 15_432, admin: 9901 }

const loopback = '127.0.0.1'

/** What runs when nothing is configured: everything on loopback, and nothing but its own backends can be reached. */
export function embeddedConfig(ports: EmbeddedPorts, plan: EmbeddedPlan, resolver: Resolver): GatewayConfig {
  const backends = [...Object.values(plan.web), ...(plan.postgres === undefined ? [] : [plan.postgres])]
  return {
    listeners: [
      { name: 'http', address: `${loopback}:${ports.http}`, protocol: 'http' },
      {
        name: 'postgres',
        address: `${loopback}:${ports.postgres}`,
        protocol: 'postgres',
        // The first connection makes and starts the server, which takes seconds.
        limits: { handshakeTimeoutMs: 120_000 },
      },
    ],
    resolver,
    // The resolver knows at once when the server is up, and when it is gone.
    coldStart: { wokenTtlMs: 0 },
    guard: { allow: backends.map((port) => `${loopback} ${port}`) },
    admin: { address: `${loopback}:${ports.admin}` },
  }
}
