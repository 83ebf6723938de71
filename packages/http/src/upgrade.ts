import type { MessageHead } from './message.ts'
import { UPGRADE } from './names.ts'

/**
 * Whether a request asks for another protocol (RFC 9110 section 7.8), WebSocket or any other. HTTP/2 is not among them: a
 * tunnel of it would carry requests past the gateway.
 */
export function isUpgrade(head: MessageHead, bytes: Buffer): boolean {
  if (!head.upgrade || !head.has(UPGRADE) || head.minor === 0) return false
  return !head.values(bytes, UPGRADE).some((value) => /(^|[,\s])(h2c?|http)([,\s/]|$)/i.test(value))
}
