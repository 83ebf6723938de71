export type * from './contracts.ts'
export * from './errors.ts'
export { Hooks } from './hooks.ts'
export type * from './hooks.ts'
