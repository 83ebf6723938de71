export type { Extract, Extracted, TcpOptions, Transform } from './options.ts'
export { tcp } from './tcp.ts'
