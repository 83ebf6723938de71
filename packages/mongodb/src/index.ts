export { mongodb } from './mongodb.ts'
export type { KeySource, MongodbOptions, WireRange } from './options.ts'
