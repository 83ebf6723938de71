import { GatewayError } from '@proxy/kernel'

/**
 * Where a tenant's name is read.
 * - `helo`: the domain of EHLO, HELO or LHLO.
 * - `recipient`: the domain of the first RCPT TO.
 * - `user`: the user of AUTH PLAIN or LOGIN: the domain of `bob@alpha.example`, or `alpha` of `bob.alpha`.
 * - `sni`: the server name of the TLS handshake.
 */
export type KeySource = 'helo' | 'recipient' | 'user' | 'sni'

export interface SmtpOptions {
  /** Speak LMTP (RFC 2033): LHLO in place of EHLO, and one reply a recipient after the data. Default false: SMTP. */
  readonly lmtp?: boolean | undefined
  /**
   * Sources of the key, in order: the first that names a tenant decides. A session is routed as soon as that is known: at
   * EHLO, at AUTH, or at the first recipient. Default `['helo']`.
   */
  readonly keys?: readonly KeySource[] | undefined
  /** Name that the gateway goes by in its greeting and its reply to EHLO. Default `gateway.invalid`, which says nothing. */
  readonly hostname?: string | undefined
  /**
   * Extensions that EHLO is answered with while the backend is not known yet, for the sources `recipient` and `user`; offer
   * only what every backend has. STARTTLS and AUTH are offered by themselves. Default `['PIPELINING', '8BITMIME',
   * 'ENHANCEDSTATUSCODES']`.
   */
  readonly extensions?: readonly string[] | undefined
  /** Allow AUTH on connections without TLS. Default false. */
  readonly plainAuth?: boolean | undefined
  /**
   * Tell the backend the client's address with XCLIENT. A resolution's `metadata.xclient` (a boolean) overrides it. A
   * backend that does not offer XCLIENT then gets no mail. Default false.
   */
  readonly xclient?: boolean | undefined
  /**
   * Time that a backend has to greet and to take TLS and XCLIENT, in milliseconds. One that closes early or says 421
   * meanwhile is starting, and is dialled again. Default 30,000 ms.
   */
  readonly readinessTimeoutMs?: number | undefined
  /** Ends a session on which nothing was said for so long (RFC 5321 section 4.5.3.2). Default 300,000 ms. */
  readonly idleTimeoutMs?: number | undefined
  /** Commands in error after which the connection is closed. Default 20. */
  readonly maxErrors?: number | undefined
}

/** Options with their defaults. */
export interface SmtpSettings {
  readonly lmtp: boolean
  readonly keys: readonly KeySource[]
  readonly hostname: string
  readonly extensions: readonly string[]
  readonly plainAuth: boolean
  readonly xclient: boolean
  readonly readinessTimeoutMs: number
  readonly idleTimeoutMs: number
  readonly maxErrors: number
}

const keySources: readonly KeySource[] = ['helo', 'recipient', 'user', 'sni']

/** Throws `PROXY_CONFIG_INVALID`. */
export function settingsOf(options: SmtpOptions): SmtpSettings {
  const settings: SmtpSettings = {
    lmtp: options.lmtp ?? false,
    keys: options.keys ?? ['helo'],
    hostname: options.hostname ?? 'gateway.invalid',
    extensions: options.extensions ?? ['PIPELINING', '8BITMIME', 'ENHANCEDSTATUSCODES'],
    plainAuth: options.plainAuth ?? false,
    xclient: options.xclient ?? false,
    readinessTimeoutMs: options.readinessTimeoutMs ?? 30_000,
    idleTimeoutMs: options.idleTimeoutMs ?? 300_000,
    maxErrors: options.maxErrors ?? 20,
  }
  validate(settings)
  return settings
}

function validate({ keys, hostname, extensions, readinessTimeoutMs, idleTimeoutMs, maxErrors }: SmtpSettings): void {
  if (keys.length === 0) throw invalid('keys: name at least one source')
  if (new Set(keys).size < keys.length) throw invalid('keys: a source is named twice')
  const unknown = keys.find((key) => !keySources.includes(key))
  if (unknown !== undefined) throw invalid(`keys: '${unknown}' is none of ${keySources.join(', ')}`)
  if (!/^[A-Za-z0-9.-]{1,255}$/.test(hostname)) throw invalid('hostname: not a host name')
  const odd = extensions.find((line) => !/^[A-Za-z0-9][A-Za-z0-9-]*( [\x21-\x7e]+)*$/.test(line))
  if (odd !== undefined) throw invalid(`extensions: '${odd}' is no line of an EHLO reply`)
  if (!(readinessTimeoutMs > 0)) throw invalid('readinessTimeoutMs: not a positive number of milliseconds')
  if (!(idleTimeoutMs > 0)) throw invalid('idleTimeoutMs: not a positive number of milliseconds')
  if (!(maxErrors >= 1)) throw invalid('maxErrors: not a number from 1')
}

function invalid(message: string): GatewayError {
  return new GatewayError('PROXY_CONFIG_INVALID', { message: `smtp(): ${message}` })
}
