import { ConfigError } from '../config/problems.ts'
import type { Environment } from '../env/variables.ts'

/** What goes into an Authorization header as it is, and is not guessed. */
export const tokenPattern: RegExp = /^[\x21-\x7e]{16,}$/

export const tokenRule = 'must be at least 16 visible ASCII characters.'

/** `ADMIN_TOKEN`; undefined: it is not set. Throws {@link ConfigError} that does not quote it. */
export function adminToken(env: Environment): string | undefined {
  const token = env['ADMIN_TOKEN'] ?? ''
  if (token === '') return undefined
  if (!tokenPattern.test(token)) throw new ConfigError('environment', [{ path: 'ADMIN_TOKEN', message: tokenRule }])
  return token
}
