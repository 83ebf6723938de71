export { type GuardSources, guard } from './guard.ts'
export type { Lookup } from './dns.ts'
