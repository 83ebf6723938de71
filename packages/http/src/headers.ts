import type { RequestTrace } from '@proxy/kernel'
import { latin1, equalsFolded } from './bytes.ts'
import type { Forwarder } from './forwarder.ts'
import type { MessageHead } from './message.ts'
import {
  bit,
  CONNECTION,
  CONTENT_LENGTH,
  DISGUISED,
  EXPECT,
  FORWARDED,
  HOST,
  HTTP2_SETTINGS,
  KEEP_ALIVE,
  PROXY_AUTHORIZATION,
  PROXY_CONNECTION,
  TE,
  TRACEPARENT,
  TRACESTATE,
  TRAILER,
  TRANSFER_ENCODING,
  UPGRADE,
  X_FORWARDED_FOR,
  X_FORWARDED_HOST,
  X_FORWARDED_PROTO,
} from './names.ts'

const hopByHop = bit(CONNECTION) | bit(KEEP_ALIVE) | bit(PROXY_CONNECTION) | bit(UPGRADE)
const forwarded = bit(X_FORWARDED_FOR) | bit(X_FORWARDED_PROTO) | bit(X_FORWARDED_HOST) | bit(FORWARDED)
const request = hopByHop | bit(PROXY_AUTHORIZATION) | bit(TE) | bit(HTTP2_SETTINGS) | bit(DISGUISED) | forwarded
const trace = bit(TRACEPARENT) | bit(TRACESTATE)
const framing = bit(CONTENT_LENGTH) | bit(TRANSFER_ENCODING)

/** In place of an absolute-form target: its path, and its authority as Host. */
export interface AbsoluteTarget {
  readonly authority: string
  readonly path: string
}

/**
 * The head for the backend: hop-by-hop fields gone (RFC 9110 section 7.6.1), order and spelling of the rest untouched,
 * always HTTP/1.1, and who the client is at the end. `upgrade`: the client asks for another protocol, which is passed on.
 * `traced`: takes the place of the client's trace context.
 */
export function requestHead(
  head: MessageHead,
  bytes: Buffer,
  host: string,
  forwarder: Forwarder,
  absolute: AbsoluteTarget | undefined,
  upgrade: boolean,
  traced: RequestTrace | undefined,
): string {
  const strip = traced === undefined ? request : request | trace
  if ((head.seen & strip) === 0 && head.minor === 1 && absolute === undefined) {
    const kept = latin1(bytes, head.start, head.end - 2)
    return traced === undefined ? kept + forwarder.tail(host) : kept + traceLines(traced) + forwarder.tail(host)
  }
  return rewritten(head, bytes, host, forwarder, absolute, upgrade, traced)
}

/** The trace context as header lines. */
export function traceLines({ traceparent, tracestate }: RequestTrace): string {
  return `traceparent: ${traceparent}\r\n${tracestate === undefined ? '' : `tracestate: ${tracestate}\r\n`}`
}

function rewritten(
  head: MessageHead,
  bytes: Buffer,
  host: string,
  forwarder: Forwarder,
  absolute: AbsoluteTarget | undefined,
  upgrade: boolean,
  traced: RequestTrace | undefined,
): string {
  let strip = traced === undefined ? request : request | trace
  if (absolute !== undefined) strip |= bit(HOST)
  if (head.minor === 0) strip |= bit(EXPECT)
  if (upgrade) strip &= ~bit(UPGRADE)
  const added =
    (head.has(TE) && acceptsTrailers(head, bytes) ? 'TE: trailers\r\n' : '') +
    (upgrade ? 'Connection: Upgrade\r\n' : '') +
    (traced === undefined ? '' : traceLines(traced)) +
    ((head.seen & forwarded) !== 0 ? forwarder.tailBehind(head, bytes, host) : forwarder.tail(host))
  if (absolute === undefined && head.minor === 1) return keptLines(head, bytes, head.start, strip) + added
  const target = absolute?.path ?? latin1(bytes, head.targetStart, head.targetEnd)
  const hostLine = absolute !== undefined || !head.has(HOST) ? `Host: ${host}\r\n` : ''
  const firstLine = `${latin1(bytes, head.start, head.methodEnd)} ${target} HTTP/1.1\r\n`
  return firstLine + hostLine + keptLines(head, bytes, head.fieldsAt, strip) + added
}

function acceptsTrailers(head: MessageHead, bytes: Buffer): boolean {
  return head.values(bytes, TE).some((value) => /(^|[,\s])trailers([,;\s]|$)/i.test(value))
}

/** From `from` on, the lines that are neither in `strip` nor named by Connection, in as few slices as possible. */
function keptLines(head: MessageHead, bytes: Buffer, from: number, strip: number): string {
  let text = ''
  for (let i = 0; i < head.count; i++) {
    const id = head.ids[i]!
    if ((id === 0 || (strip & bit(id)) === 0) && !isNamed(head, bytes, i)) continue
    text += latin1(bytes, from, head.lines[i * 4]!)
    from = head.lineEnd(i)
  }
  return text + latin1(bytes, from, head.end - 2)
}

function isNamed(head: MessageHead, bytes: Buffer, index: number): boolean {
  if (head.named === undefined) return false
  const start = head.lines[index * 4]!
  const end = head.lines[index * 4 + 1]!
  return head.named.some((name) => equalsFolded(bytes, start, end, name))
}

/** Whether the response can go to the client as the bytes it came in. */
export function isVerbatim(head: MessageHead): boolean {
  return (head.seen & hopByHop) === 0 && head.minor === 1 && (head.status !== 204 || (head.seen & framing) === 0)
}

/**
 * The head for the client. `added` holds whole lines. With `unframed`, the body that follows ends with the connection and
 * not as the backend framed it.
 */
export function responseHead(head: MessageHead, bytes: Buffer, added: string, unframed: boolean): string {
  let strip = hopByHop
  let upgrade = ''
  if (head.status === 426) {
    strip &= ~bit(UPGRADE)
    upgrade = 'Connection: Upgrade\r\n'
  }
  if (unframed) strip |= bit(TRANSFER_ENCODING) | bit(TRAILER)
  if (head.status === 204) strip |= framing
  const version = 'HTTP/1.1'
  return `${version}${keptLines(head, bytes, head.start + version.length, strip)}${upgrade}${added}\r\n`
}
