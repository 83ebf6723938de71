/** The servers of databases, by the listener in front of them. */
export type ServerName = 'postgres' | 'mysql' | 'mongodb'

/** What the workers need to know of the embedded backends; survives JSON. */
export interface EmbeddedPlan {
  /** Loopback ports of the web servers by tenant. */
  readonly web: Readonly<Record<string, number>>
  /** Loopback ports of the mail servers by tenant. */
  readonly mail: Readonly<Record<string, number>>
  /** Loopback ports of the databases' servers; those that are not installed have none. */
  readonly servers: Readonly<Partial<Record<ServerName, number>>>
}

export const noBackends: EmbeddedPlan = { web: {}, mail: {}, servers: {} }

export const demoUser = 'demo'
export const demoPassword = 'demo'
