import { maxStartupBytes, packetCode, requestCodes } from './wire.ts'

const codes: ReadonlySet<number> = new Set(Object.values(requestCodes))

/**
 * Whether a connection begins with a startup packet or one of the requests in its place. A TLS handshake could be anyone's
 * and is not claimed: TLS on a shared port begins with an SSLRequest.
 */
export function detectPostgres(prefix: Buffer): boolean | undefined {
  if (prefix.length > 0 && prefix[0] !== 0) return false
  if (prefix.length < 8) return undefined
  const length = prefix.readUInt32BE(0)
  const code = packetCode(prefix)
  return length >= 8 && length <= maxStartupBytes && (code >>> 16 === 3 || codes.has(code))
}
