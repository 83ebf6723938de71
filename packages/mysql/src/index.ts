export { mysql } from './mysql.ts'
export type { Feature, KeySource, Login, MysqlOptions } from './options.ts'
