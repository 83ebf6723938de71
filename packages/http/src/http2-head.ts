import type { IncomingHttpHeaders, OutgoingHttpHeaders } from 'node:http2'
import type { Forwarder } from './forwarder.ts'
import { charactersOf } from './hpack-encoder.ts'
import {
  ACCEPT,
  AMBIGUOUS,
  AUTHORITY,
  CONTENT_LENGTH,
  CONTENT_TYPE,
  COOKIE,
  Field,
  FORBIDDEN,
  FORWARDED,
  HOST,
  METHOD,
  PATH,
  PLAIN,
  SCHEME,
  TE,
  TRACEPARENT,
  TRACESTATE,
  X_FORWARDED_FOR,
  X_FORWARDED_HOST,
  X_FORWARDED_PROTO,
} from './http2-field.ts'
import type { Http2Streams } from './http2-streams.ts'
import type { MessageHead } from './message.ts'
import * as names from './names.ts'

/** What a request line may hold; HTTP/2 itself has no delimiters to protect. */
const safeTarget = /^(?:\/[\x21-\x7e\x80-\xff]*|\*)$/
const token = /^[!#$%&'*+.^_`|~0-9A-Za-z-]{1,32}$/

/** One field as name and value. */
export type Pair = readonly [name: string, value: string]

/** The head of a request as it came. */
export class Http2Head {
  readonly fields: readonly Field[]
  method: string | undefined = undefined
  path: string | undefined = undefined
  scheme: string | undefined = undefined
  pseudoAuthority: string | undefined = undefined
  host: string | undefined = undefined
  /** -1: the client has not said. */
  length = -1
  contentType = ''
  accept = ''
  ambiguous = false
  forwarded = false

  constructor(fields: readonly Field[]) {
    this.fields = fields
  }

  /** `:authority`, or Host where a client sent only that. undefined: they contradict each other. */
  get authority(): string | undefined {
    const { pseudoAuthority, host } = this
    if (pseudoAuthority === undefined || host === undefined) return pseudoAuthority ?? host ?? ''
    return pseudoAuthority.toLowerCase() === host.toLowerCase() ? pseudoAuthority : undefined
  }

  /** What is wrong with it that can be told in an answer; undefined when nothing is. */
  get problem(): string | undefined {
    if (!token.test(this.method ?? '')) return 'method'
    if (!safeTarget.test(this.path ?? '')) return 'path'
    return this.ambiguous ? 'ambiguous framing' : undefined
  }

  /** The values of a kind, in order. */
  values(kind: number): string[] {
    return this.fields.filter((field) => field.kind === kind).map(({ value }) => value)
  }
}

/** Reads the head of a request. undefined: it is malformed (RFC 9113 sections 8.1.1 and 8.3). */
export function readHead(fields: readonly Field[], ended: boolean): Http2Head | undefined {
  const head = new Http2Head(fields)
  let regular = false
  for (let i = 0; i < fields.length; i++) {
    const field = fields[i]!
    if (field.kind >= METHOD) {
      if (regular || !notePseudo(head, field)) return undefined
    } else {
      regular = true
      if (field.kind !== PLAIN && !note(head, field)) return undefined
    }
  }
  const whole = head.method === 'CONNECT' ? isConnect(head) : isRequest(head)
  return whole && (!ended || head.length <= 0) ? head : undefined
}

function isRequest(head: Http2Head): boolean {
  return head.method !== undefined && head.scheme !== undefined && head.path !== undefined && head.path !== ''
}

function isConnect(head: Http2Head): boolean {
  return head.scheme === undefined && head.path === undefined && head.pseudoAuthority !== undefined
}

function notePseudo(head: Http2Head, { kind, value }: Field): boolean {
  switch (kind) {
    case METHOD:
      if (head.method !== undefined) return false
      head.method = value
      return true
    case PATH:
      if (head.path !== undefined) return false
      head.path = value
      return true
    case SCHEME:
      if (head.scheme !== undefined) return false
      head.scheme = value
      return true
    default:
      if (head.pseudoAuthority !== undefined) return false
      head.pseudoAuthority = value
      return kind === AUTHORITY
  }
}

function note(head: Http2Head, { kind, value }: Field): boolean {
  switch (kind) {
    case FORBIDDEN:
      return false
    case HOST:
      if (head.host !== undefined) return false
      head.host = value
      return true
    case CONTENT_LENGTH:
      if (head.length >= 0 || !/^\d{1,15}$/.test(value)) return false
      head.length = Number(value)
      return true
    case TE:
      return value.toLowerCase() === 'trailers'
    case CONTENT_TYPE:
      head.contentType ||= value
      return true
    case ACCEPT:
      head.accept ||= value
      return true
    case AMBIGUOUS:
      head.ambiguous = true
      return true
    default:
      if (kind >= X_FORWARDED_FOR && kind <= FORWARDED) head.forwarded = true
      return true
  }
}

/** Whether a field of that kind is passed on; cookies are, but in one field. */
function isForwarded(kind: number, traced: boolean): boolean {
  if (kind === PLAIN) return true
  if (kind === TRACEPARENT || kind === TRACESTATE) return !traced
  return kind === CONTENT_LENGTH || kind === CONTENT_TYPE || kind === ACCEPT || kind === TE
}

/** The fields that are passed on, `traced` without a trace context. */
export function forwardedFields(head: Http2Head, traced: boolean): [string, string][] {
  const fields = head.fields
    .filter(({ kind }) => isForwarded(kind, traced))
    .map(({ name, value }): [string, string] => [name, value])
  const cookies = head.values(COOKIE)
  return cookies.length === 0 ? fields : [...fields, ['cookie', cookies.join('; ')]]
}

/** The same as header lines of HTTP/1.1. Clients may send each cookie in a field of its own; there they go in one (RFC 9113 section 8.2.3). */
function forwardedLines({ fields }: Http2Head, traced: boolean): string {
  let lines = ''
  let cookies = ''
  for (let i = 0; i < fields.length; i++) {
    const field = fields[i]!
    if (field.kind === COOKIE) cookies += cookies === '' ? field.value : `; ${field.value}`
    else if (isForwarded(field.kind, traced)) lines += field.line
  }
  return cookies === '' ? lines : `${lines}cookie: ${cookies}\r\n`
}

/** What trailers may hold beside the fields of no meaning to a proxy: nothing that says how a message is framed or routed. */
export function trailerPairs(fields: readonly Field[]): [string, string][] {
  return fields.filter(({ kind }) => kind === PLAIN).map(({ name, value }) => [name, value])
}

/** Those of a backend's trailers that HTTP/2 has a place for. */
export function safePairs(pairs: readonly Pair[]): readonly Pair[] {
  return pairs.filter(([name, value]) => new Field(name, value).kind === PLAIN)
}

/** The lines that say who the client is, and the end of the head. */
export function forwardedTail(head: Http2Head, forwarder: Forwarder, host: string): string {
  if (!forwarder.trusted || !head.forwarded) return forwarder.tail(host)
  return forwarder.continued(
    head.values(X_FORWARDED_FOR),
    head.values(X_FORWARDED_PROTO)[0],
    head.values(X_FORWARDED_HOST)[0],
    head.values(FORWARDED),
    host,
  )
}

/** The request as an HTTP/1.1 head. */
export function http1Head(head: Http2Head, host: string, chunked: boolean, traced: boolean, tail: string): string {
  const lines = forwardedLines(head, traced)
  return `${head.method} ${head.path} HTTP/1.1\r\nHost: ${host}\r\n${lines}${chunked ? 'Transfer-Encoding: chunked\r\n' : ''}${tail}`
}

const connectionFields =
  names.bit(names.CONNECTION) |
  names.bit(names.KEEP_ALIVE) |
  names.bit(names.PROXY_CONNECTION) |
  names.bit(names.UPGRADE) |
  names.bit(names.TRANSFER_ENCODING) |
  names.bit(names.HTTP2_SETTINGS) |
  names.bit(names.TRAILER)

/** Writes a backend's HTTP/1.1 head as a header block, `added` behind its own fields. */
export function writeHead(streams: Http2Streams, head: MessageHead, bytes: Buffer, added: readonly Pair[]): void {
  const encoder = streams.beginHead(head.count + added.length + 1, head.end - head.start + charactersOf(added))
  const strip = head.status === 204 ? connectionFields | names.bit(names.CONTENT_LENGTH) : connectionFields
  encoder.status(head.status)
  for (let i = 0; i < head.count; i++) {
    const id = head.ids[i]!
    if (id !== 0 && (strip & names.bit(id)) !== 0) continue
    const name = head.name(bytes, i).toLowerCase()
    if (head.named === undefined || !head.named.includes(name)) encoder.field(name, head.value(bytes, i))
  }
  for (const [name, value] of added) encoder.field(name, value)
}

/** Writes a header block. */
export function writeFields(streams: Http2Streams, status: number, fields: readonly Pair[]): void {
  const encoder = streams.beginHead(fields.length + 1, charactersOf(fields))
  encoder.status(status)
  for (const [name, value] of fields) encoder.field(name, value)
}

/** Fields as node:http2 wants them. */
export function toHeaders(fields: readonly Pair[]): OutgoingHttpHeaders {
  const headers: Record<string, string | string[]> = {}
  for (const [name, value] of fields) {
    const known = headers[name]
    headers[name] = known === undefined ? value : [known, value].flat()
  }
  return headers
}

/** And as it gives them, without the pseudo-header fields and those that HTTP/2 has no place for. */
export function pairsOf(headers: IncomingHttpHeaders): [string, string][] {
  const pairs: [string, string][] = []
  for (const [name, value] of Object.entries(headers)) {
    if (value === undefined || name.startsWith(':')) continue
    for (const one of [value].flat()) pairs.push([name, one])
  }
  return pairs
}
