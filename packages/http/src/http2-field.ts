/** What a field means to a proxy. */
export const PLAIN = 0
/** Makes its message malformed (RFC 9113 section 8.1.1). */
export const FORBIDDEN = 1
/** Is not passed on. */
const DROPPED = 2
/** Would be another field to a backend that makes variables of its fields, and one that says how long the message is. */
export const AMBIGUOUS = 3
export const COOKIE = 4
export const CONTENT_LENGTH = 5
export const CONTENT_TYPE = 6
export const ACCEPT = 7
export const TE = 8
export const TRACEPARENT = 9
export const TRACESTATE = 10
export const X_FORWARDED_FOR = 11
export const X_FORWARDED_PROTO = 12
export const X_FORWARDED_HOST = 13
export const FORWARDED = 14
export const HOST = 15
export const METHOD = 16
export const SCHEME = 17
export const PATH = 18
export const AUTHORITY = 19

const kinds: ReadonlyMap<string, number> = new Map([
  [':method', METHOD],
  [':scheme', SCHEME],
  [':path', PATH],
  [':authority', AUTHORITY],
  ['host', HOST],
  ['cookie', COOKIE],
  ['content-length', CONTENT_LENGTH],
  ['content-type', CONTENT_TYPE],
  ['accept', ACCEPT],
  ['te', TE],
  ['traceparent', TRACEPARENT],
  ['tracestate', TRACESTATE],
  ['x-forwarded-for', X_FORWARDED_FOR],
  ['x-forwarded-proto', X_FORWARDED_PROTO],
  ['x-forwarded-host', X_FORWARDED_HOST],
  ['forwarded', FORWARDED],
  ['connection', FORBIDDEN],
  ['keep-alive', FORBIDDEN],
  ['proxy-connection', FORBIDDEN],
  ['transfer-encoding', FORBIDDEN],
  ['upgrade', FORBIDDEN],
  ['http2-settings', DROPPED],
  ['proxy-authorization', DROPPED],
])

const token = /^[!#$%&'*+.^_`|~0-9a-z-]+$/
/** No control but HTAB, and no space at the ends (RFC 9113 section 8.2.1). */
const safeValue = /^(?:[\x21-\x7e\x80-\xff](?:[\t\x20-\x7e\x80-\xff]*[\x21-\x7e\x80-\xff])?)?$/
/** What an entry costs beside its characters (RFC 7541 section 4.1). */
const overhead = 32

/** One field of a head as HPACK has it. What it means is found once, however often the peer refers to it. */
export class Field {
  readonly name: string
  readonly value: string
  readonly kind: number
  /** As the tables and limits of HTTP/2 count it. */
  readonly size: number
  #line: string | undefined = undefined

  constructor(name: string, value: string) {
    this.name = name
    this.value = value
    this.size = name.length + value.length + overhead
    this.kind = kindOf(name, value)
  }

  /** The field in HTTP/1.1, with its end. */
  get line(): string {
    return (this.#line ??= `${this.name}: ${this.value}\r\n`)
  }
}

function kindOf(name: string, value: string): number {
  if (!safeValue.test(value)) return FORBIDDEN
  const kind = kinds.get(name)
  if (kind !== undefined) return kind
  if (!token.test(name)) return FORBIDDEN
  return name.includes('_') ? disguisedKind(name.replaceAll('_', '-')) : PLAIN
}

function disguisedKind(name: string): number {
  if (name === 'content-length' || name === 'transfer-encoding') return AMBIGUOUS
  return kinds.has(name) ? DROPPED : PLAIN
}
