import { GatewayError } from '@proxy/kernel'

/** No line of this protocol is longer. */
const longestLine = 512

/** One line, its CRLF included. */
export function line(bytes: Buffer): number {
  const feed = bytes.indexOf(0x0a)
  const seen = feed < 0 ? bytes.length : feed
  if (seen > longestLine) throw new GatewayError('PROXY_PEEK_OVERFLOW')
  for (let index = 0; index < seen; index++) {
    const byte = bytes[index] as number
    if ((byte < 0x20 && byte !== 0x0d) || byte > 0x7e) throw new GatewayError('PROXY_MALFORMED')
  }
  return feed + 1
}

/** The tenant in `HELLO tenant\r\n`. */
export function parseHello(bytes: Buffer): string {
  const match = /^HELLO ([a-z0-9-]+)\r\n$/.exec(bytes.toString('latin1'))
  if (match === null) throw new GatewayError('PROXY_MALFORMED')
  return match[1] as string
}
