import { GatewayError } from '@proxy/kernel'
import type { Extract } from '@proxy/tcp'

const space = 32
const longestTenant = 64

/** The tenant of a TCP connection is the first word that it sends. */
export const firstWord: Extract = (bytes) => {
  const end = bytes.subarray(0, longestTenant).indexOf(space)
  if (end > 0) return { key: bytes.toString('latin1', 0, end) }
  if (end === 0 || bytes.length >= longestTenant) throw new GatewayError('PROXY_MALFORMED')
  return undefined
}
