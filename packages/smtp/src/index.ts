export type { KeySource, SmtpOptions } from './options.ts'
export { smtp } from './smtp.ts'
