import type { SmtpSettings } from './options.ts'

/** What the gateway says of its own accord. Enhanced codes are those of RFC 3463. */
export const replies = {
  ok: '250 2.0.0 Ok\r\n',
  mailHeld: '250 2.1.0 Ok\r\n',
  bye: '221 2.0.0 Bye\r\n',
  help: '214 2.0.0 See RFC 5321\r\n',
  cannotVerify: '252 2.5.0 Send some mail, it will be tried\r\n',
  goAhead: '220 2.0.0 Ready to start TLS\r\n',
  unknown: '500 5.5.1 Command unknown\r\n',
  notHere: '502 5.5.1 Command not supported here\r\n',
  syntax: '501 5.5.4 Syntax error in parameters\r\n',
  helloFirst: '503 5.5.1 Introduce yourself first\r\n',
  mailFirst: '503 5.5.1 Need MAIL first\r\n',
  recipientFirst: '503 5.5.1 Need RCPT first\r\n',
  nested: '503 5.5.1 Nested MAIL\r\n',
  tlsFirst: '530 5.7.0 Must issue a STARTTLS command first\r\n',
  tlsIsOn: '503 5.5.1 TLS is on already\r\n',
  noTls: '502 5.5.1 TLS is not available\r\n',
  loginFirst: '530 5.7.0 Authentication required\r\n',
  loginTwice: '503 5.5.1 Already authenticated\r\n',
  loginEncrypted: '538 5.7.11 Encryption required for authentication\r\n',
  loginNotHere: '503 5.5.1 Authentication is not available\r\n',
  loginCancelled: '501 5.0.0 Authentication cancelled\r\n',
  mechanism: '504 5.5.4 Authentication mechanism not supported\r\n',
  oneTenant: '452 4.5.3 Send this recipient a message of its own\r\n',
  helloRefused: '451 4.3.5 the backend does not take the greeting\r\n',
  tooManyErrors: '421 4.7.0 Too many errors\r\n',
  spokeTooSoon: '554 5.5.0 Data was sent before it was asked for\r\n',
} as const

/** The reply to a command that needs no backend; undefined when it does. */
export function localReply(verb: string): string | undefined {
  switch (verb) {
    case 'NOOP':
    case 'RSET':
      return replies.ok
    case 'HELP':
      return replies.help
    case 'VRFY':
    case 'EXPN':
      return replies.cannotVerify
    default:
      return undefined
  }
}

/** A reply of several lines. */
export function linesReply(code: number, lines: readonly string[]): Buffer {
  const last = lines.length - 1
  return Buffer.from(lines.map((line, i) => `${code}${i === last ? ' ' : '-'}${line}\r\n`).join(''), 'utf8')
}

export function greetingOf({ hostname, lmtp }: SmtpSettings): string {
  return `220 ${hostname} ${lmtp ? 'LMTP' : 'ESMTP'}\r\n`
}
