import { GatewayError, type Session } from '@proxy/kernel'
import { greetingOf, localReply, replies } from './local-replies.ts'
import type { SmtpSettings } from './options.ts'
import { foreign } from './refusals.ts'
import { argumentOf, isForeign, lineFault, lineLength, lineLimit, verbOf } from './wire.ts'

/** Turns of the event loop after which everything that was there at accept has been read: one may be under way. */
const turnsToHear = 2

/**
 * Greets the client, and serves it until it introduces itself, under the listener's handshake deadline. Returns that line,
 * or undefined when the client has taken its leave.
 *
 * A client that speaks before it is greeted does not speak SMTP, or speaks for somebody else: `PROXY_MALFORMED`.
 */
export async function openClient({ client }: Session, settings: SmtpSettings): Promise<Buffer | undefined> {
  for (let turns = 0; turns < turnsToHear; turns++) await turn()
  if (client.unread > 0) {
    throw new GatewayError('PROXY_MALFORMED', { message: 'the client spoke before it was greeted' })
  }
  await client.write(greetingOf(settings))
  for (let errors = 0; ; ) {
    const line = await client.read(commandFramer)
    const fault = lineFault(line)
    if (fault !== undefined) throw new GatewayError('PROXY_MALFORMED', { message: fault })
    const verb = verbOf(line)
    if (isHello(verb, settings)) {
      if (argumentOf(line) !== '') return line
    } else if (verb === 'BDAT') {
      throw new GatewayError('PROXY_MALFORMED', { message: 'bad sequence of commands' })
    }
    const reply = replyTo(verb, settings)
    if (reply === replies.unknown && isForeign(line)) throw foreign()
    if (reply.startsWith('5') && ++errors >= settings.maxErrors) {
      await client.write(replies.tooManyErrors)
      return undefined
    }
    await client.write(reply)
    if (verb === 'DATA' && client.unread > 0) {
      throw new GatewayError('PROXY_MALFORMED', { message: 'data was sent before it was asked for' })
    }
    if (verb === 'QUIT') return undefined
  }
}

/** Whether a client of this dialect introduces itself with the verb. */
export function isHello(verb: string, { lmtp }: SmtpSettings): verb is 'EHLO' | 'HELO' | 'LHLO' {
  return lmtp ? verb === 'LHLO' : verb === 'EHLO' || verb === 'HELO'
}

function replyTo(verb: string, settings: SmtpSettings): string {
  if (isHello(verb, settings)) return replies.syntax
  switch (verb) {
    case 'QUIT':
      return replies.bye
    case 'MAIL':
    case 'RCPT':
    case 'DATA':
    case 'AUTH':
    case 'STARTTLS':
      return replies.helloFirst
    default:
      return localReply(verb) ?? replies.unknown
  }
}

function commandFramer(bytes: Buffer): number {
  const length = lineLength(bytes, 0, lineLimit(bytes, 0))
  if (length < 0) throw new GatewayError('PROXY_PEEK_OVERFLOW', { message: 'the line is too long' })
  return length
}

function turn(): Promise<void> {
  return new Promise((resolve) => {
    setImmediate(resolve)
  })
}
