export { httpResolver } from './http-resolver.ts'
export type { HttpResolverOptions } from './options.ts'
