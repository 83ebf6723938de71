export { dockerResolver } from './docker-resolver.ts'
export type { DockerResolverOptions, DockerTls } from './options.ts'
