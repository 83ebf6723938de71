/** The servers that start on demand, by the listener in front of them. */
export type ServerName = 'postgres' | 'mysql' | 'mongodb'

/** What the workers need to know of the embedded backends; survives JSON. */
export interface EmbeddedPlan {
  /** Loopback ports of the web servers by tenant. */
  readonly web: Readonly<Record<string, number>>
  /** Loopback ports of the mail servers by tenant. */
  readonly mail: Readonly<Record<string, number>>
  /** Loopback ports of the servers that start on demand; those that are not installed have none. */
  readonly servers: Readonly<Partial<Record<ServerName, number>>>
}

export const noBackends: EmbeddedPlan = { web: {}, mail: {}, servers: {} }

/** Topic on which workers ask the primary process to start a server, by its name. */
export const wakeTopic = 'embedded:wake'

/** Topic on which the primary process says that a server, by its name, is gone. */
export const goneTopic = 'embedded:gone'

export const demoUser = 'demo'
export const demoPassword = 'demo'
