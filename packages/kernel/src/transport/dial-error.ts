import type { ErrorCode } from '../errors.ts'

/** What a failure of Node's to connect is called. */
export function dialErrorCode(error: NodeJS.ErrnoException): ErrorCode {
  if (error.syscall === 'getaddrinfo') return 'PROXY_DIAL_DNS'
  if (error.code === 'ECONNREFUSED') return 'PROXY_DIAL_REFUSED'
  if (error.code === 'ETIMEDOUT') return 'PROXY_DIAL_TIMEOUT'
  return 'PROXY_DIAL_UNREACHABLE'
}
