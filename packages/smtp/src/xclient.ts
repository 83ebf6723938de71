import type { Session } from '@proxy/kernel'
import type { Hello } from './hello.ts'

/** Longest XCLIENT command that is sent; Postfix takes this much. */
const maxLine = 510

/**
 * XCLIENT with what the backend asks for. The gateway authenticates nobody, so it never says LOGIN, and looks up no name.
 * undefined when the backend does not take an address.
 */
export function xclientLine(offered: string, session: Session, hello: Hello): string | undefined {
  const names = offered.toUpperCase().split(' ').slice(1)
  if (!names.includes('ADDR')) return undefined
  const values = attributesOf(session, hello)
  let line = 'XCLIENT'
  for (const name of names) {
    const value = values[name]
    const attribute = value === undefined ? '' : ` ${name}=${xtext(value)}`
    if (line.length + attribute.length <= maxLine) line += attribute
  }
  return `${line}\r\n`
}

function attributesOf({ client, local }: Session, hello: Hello): Readonly<Record<string, string>> {
  return {
    ADDR: addressOf(client.peer.host),
    PORT: String(client.peer.port),
    NAME: '[UNAVAILABLE]',
    PROTO: hello.verb === 'HELO' ? 'SMTP' : 'ESMTP',
    HELO: hello.name,
    DESTADDR: addressOf(local.host),
    DESTPORT: String(local.port),
  }
}

function addressOf(host: string): string {
  return host.includes(':') ? `IPV6:${host}` : host
}

/** RFC 1891 section 5: printable characters stand for themselves, all other bytes and `+` and `=` are `+` and two digits. */
export function xtext(text: string): string {
  let encoded = ''
  for (const byte of Buffer.from(text, 'utf8')) {
    const plain = byte > 0x20 && byte < 0x7f && byte !== 0x2b && byte !== 0x3d
    encoded += plain ? String.fromCharCode(byte) : `+${byte.toString(16).toUpperCase().padStart(2, '0')}`
  }
  return encoded
}
