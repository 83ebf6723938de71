export type { KeySource, Login, PostgresOptions } from './options.ts'
export { postgres } from './postgres.ts'
