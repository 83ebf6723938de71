export type { Lookup } from './dns.ts'
export { type GuardSources, guard } from './guard.ts'
export { type LimitsOptions, limits } from './limits.ts'
export { type RetryOptions, retry } from './retry.ts'
