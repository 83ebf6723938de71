import { readLength } from './bson.ts'
import { headerBytes, maxMessageBytes, msgHeadBytes, opCodes } from './wire.ts'

const openings: ReadonlySet<number> = new Set([opCodes.query, opCodes.msg, opCodes.compressed])

/**
 * Whether a connection begins with a message of the MongoDB wire protocol. A TLS handshake could be anyone's and is not
 * claimed.
 */
export function detectMongodb(prefix: Buffer): boolean | undefined {
  if (prefix.length < 4) return undefined
  const length = readLength(prefix, 0)
  if (length <= msgHeadBytes || length > maxMessageBytes) return false
  if (prefix.length < headerBytes) return undefined
  return readLength(prefix, 8) === 0 && openings.has(readLength(prefix, 12))
}
