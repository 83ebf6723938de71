// Placeholder until the registry lands: overwrite this file, keep `defaultPortOf`.
const ports: Readonly<Record<string, number>> = { http: 80, postgresql: 5432, postgres: 5432, mysql: 3306, mongodb: 27017, smtp: 25, redis: 6379 }

/** The registry's port of a protocol name; undefined for names that it does not know. */
export function defaultPortOf(name: string): number | undefined {
  return ports[name]
}
