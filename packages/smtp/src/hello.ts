import { argumentOf } from './wire.ts'

/** How a client has introduced itself. */
export interface Hello {
  readonly verb: 'EHLO' | 'HELO' | 'LHLO'
  readonly name: string
}

/** Reads the line of EHLO, HELO or LHLO; undefined when it names nothing that may be passed on. */
export function parseHello(verb: Hello['verb'], line: Buffer): Hello | undefined {
  const [name = ''] = argumentOf(line).split(' ')
  return /^[^\s\p{Cc}]{1,255}$/u.test(name) ? { verb, name } : undefined
}

export function helloLine({ verb, name }: Hello): Buffer {
  return Buffer.from(`${verb} ${name}\r\n`, 'utf8')
}

/**
 * Extensions that work when commands and replies are relayed one by one. What is not here is not offered: it may begin an
 * exchange of another form, or mean something about the connection that holds for one side of it only.
 */
const relayed: ReadonlySet<string> = new Set([
  '8BITMIME',
  'AUTH',
  'BINARYMIME',
  'CHUNKING',
  'DELIVERBY',
  'DSN',
  'ENHANCEDSTATUSCODES',
  'EXPN',
  'FUTURERELEASE',
  'HELP',
  'LIMITS',
  'MT-PRIORITY',
  'NO-SOLICITING',
  'PIPELINING',
  'REQUIRETLS',
  'SIZE',
  'SMTPUTF8',
  'VRFY',
])

/** What decides about an extension beside the extension itself. */
export interface Offer {
  /** Passwords may be sent. */
  readonly auth: boolean
  /** Every hop that is known here is encrypted. */
  readonly allTls: boolean
}

/** The extension that a line of an EHLO reply is about, in upper case. `AUTH=PLAIN` is an old way to write `AUTH PLAIN`. */
export function keywordOf(line: string): string {
  return /^[^ =]*/.exec(line)![0].toUpperCase()
}

/** The lines of a backend's EHLO reply that hold for its client too; the first line is the greeting and is not among them. */
export function relayedLines(lines: readonly string[], offer: Offer): string[] {
  return lines.slice(1).flatMap((line) => {
    const keyword = keywordOf(line)
    if (!relayed.has(keyword)) return []
    if (keyword === 'AUTH') return offer.auth ? relayedMechanisms(line) : []
    return keyword === 'REQUIRETLS' && !offer.allTls ? [] : [line]
  })
}

function relayedMechanisms(line: string): string[] {
  const mechanisms = line
    .slice(5)
    .split(' ')
    .filter((name) => name !== '' && !endsAtGateway(name))
  return mechanisms.length === 0 ? [] : [`${line.slice(0, 5)}${mechanisms.join(' ')}`]
}

/**
 * SASL mechanisms that cannot pass: those that may encrypt what follows, those that are bound to the TLS connection, and
 * EXTERNAL, by which the backend would take the gateway's certificate for the client's.
 */
export function endsAtGateway(mechanism: string): boolean {
  const name = mechanism.toUpperCase()
  return name === 'EXTERNAL' || name === 'DIGEST-MD5' || name.startsWith('GS') || name.endsWith('-PLUS')
}
