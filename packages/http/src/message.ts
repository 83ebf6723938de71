import { latin1, CR, COLON, HTAB, LF, SP, TARGET, TOKEN, VALUE } from './bytes.ts'
import { bit, CONNECTION, CONTENT_LENGTH, DISGUISED, disguisedId, HOST, nameId, TRANSFER_ENCODING } from './names.ts'
import { readConnection } from './connection-field.ts'

/** Header lines of one message; more are refused with 431. */
export const maxFields = 256
const maxMethodLength = 32

/**
 * What the parsers below found in a head: offsets into the bytes they were given. One object serves every head of a
 * connection type in turn; whatever must outlive the call is read out of it before.
 */
export class MessageHead {
  start = 0
  /** Behind the blank line. */
  end = 0
  /** Of the first header line. */
  fieldsAt = 0
  minor = 1
  methodEnd = 0
  targetStart = 0
  targetEnd = 0
  status = 0
  count = 0
  /** Per line: start and end of the name, start and end of the value. */
  readonly lines: Int32Array = new Int32Array(maxFields * 4)
  readonly ids: Uint8Array = new Uint8Array(maxFields)
  /** Bits of the names that occur. */
  seen = 0
  /** -1: none. */
  contentLength = -1
  chunked = false
  /** Index of the Host line; -1: none. */
  hostLine = -1
  close = false
  keepAlive = false
  /** `Connection: upgrade`. */
  upgrade = false
  /** Lower-case names that the Connection field lists beside the well-known ones. */
  named: string[] | undefined = undefined
  /** Of the error that a parser returned. */
  problem = ''

  reset(start: number): void {
    this.start = start
    this.count = 0
    this.seen = 0
    this.contentLength = -1
    this.chunked = false
    this.hostLine = -1
    this.close = false
    this.keepAlive = false
    this.upgrade = false
    this.named = undefined
  }

  has(id: number): boolean {
    return (this.seen & bit(id)) !== 0
  }

  fail(status: number, problem: string): number {
    this.problem = problem
    return -status
  }

  /** Offset of the line behind line `index`. */
  lineEnd(index: number): number {
    return index + 1 < this.count ? this.lines[(index + 1) * 4]! : this.end - 2
  }

  value(bytes: Buffer, index: number): string {
    return latin1(bytes, this.lines[index * 4 + 2]!, this.lines[index * 4 + 3]!)
  }

  name(bytes: Buffer, index: number): string {
    return latin1(bytes, this.lines[index * 4]!, this.lines[index * 4 + 1]!)
  }

  /** The values of every line with that id, in order. */
  values(bytes: Buffer, id: number): string[] {
    const found: string[] = []
    for (let i = 0; i < this.count; i++) if (this.ids[i] === id) found.push(this.value(bytes, i))
    return found
  }
}

/**
 * Reads the request head in `bytes[at, end)`. Returns the offset behind it, 0 when it is not complete, or a negated
 * status code with `head.problem` set. Strict (RFC 9112 and the lessons of request smuggling): no bare CR or LF, no folded
 * lines, no space before a colon, one Host, one way of framing.
 */
export function parseRequest(head: MessageHead, bytes: Buffer, at: number, end: number): number {
  // One empty line before a request is tolerated (RFC 9112 section 2.2).
  if (at + 1 < end && bytes[at] === CR && bytes[at + 1] === LF) at += 2
  head.reset(at)
  const start = at
  while (at < end && TOKEN[bytes[at]!] !== 0) at++
  if (at - start > maxMethodLength) return head.fail(400, 'method too long')
  if (at === end) return 0
  if (at === start || bytes[at] !== SP) return at === start && isCut(bytes, at, end) ? 0 : head.fail(400, 'no method')
  head.methodEnd = at++
  head.targetStart = at
  while (at < end && TARGET[bytes[at]!] !== 0) at++
  head.targetEnd = at
  if (at === end) return 0
  if (at === head.targetStart || bytes[at] !== SP) return head.fail(400, 'malformed request target')
  at = parseVersion(head, bytes, at + 1, end)
  if (at <= 0) return at
  const after = parseEndOfLine(head, bytes, at, end)
  if (after <= 0) return after
  head.fieldsAt = after
  const headEnd = parseFields(head, bytes, after, end, true)
  return headEnd <= 0 ? headEnd : checkRequest(head, headEnd)
}

/** Reads a response head; as {@link parseRequest}, with any error meaning a backend that cannot be trusted (502). */
export function parseResponse(head: MessageHead, bytes: Buffer, at: number, end: number): number {
  head.reset(at)
  at = parseVersion(head, bytes, at, end)
  if (at <= 0) return at
  if (at + 4 >= end) return 0
  const status = latin1(bytes, at, at + 4)
  if (status < ' 100' || status > ' 599' || !isDigits(bytes, at + 1, at + 4)) return head.fail(502, 'malformed status')
  head.status = Number(status)
  at += 4
  if (bytes[at] !== SP && bytes[at] !== CR) return head.fail(502, 'malformed status')
  while (at < end && VALUE[bytes[at]!] !== 0) at++
  const after = parseEndOfLine(head, bytes, at, end)
  if (after <= 0) return after
  head.fieldsAt = after
  const headEnd = parseFields(head, bytes, after, end, false)
  return headEnd <= 0 ? headEnd : checkFraming(head, headEnd)
}

/** A lone CR at the end may still become the empty line before a request. */
function isCut(bytes: Buffer, at: number, end: number): boolean {
  return at + 1 === end && bytes[at] === CR
}

const version = 'HTTP/1.'

function parseVersion(head: MessageHead, bytes: Buffer, at: number, end: number): number {
  for (let i = 0; i < version.length; i++) {
    if (at + i >= end) return 0
    if (bytes[at + i] !== version.charCodeAt(i)) return badVersion(head, bytes, at, end)
  }
  if (at + 7 >= end) return 0
  const digit = bytes[at + 7]!
  if (digit !== 0x30 && digit !== 0x31) return badVersion(head, bytes, at, end)
  head.minor = digit - 0x30
  return at + 8
}

function badVersion(head: MessageHead, bytes: Buffer, at: number, end: number): number {
  if (end - at < 8) return 0
  const known = /^HTTP\/\d\.\d$/.test(latin1(bytes, at, at + 8))
  return known ? head.fail(505, 'HTTP version not supported') : head.fail(400, 'malformed HTTP version')
}

function parseEndOfLine(head: MessageHead, bytes: Buffer, at: number, end: number): number {
  if (at >= end) return 0
  if (bytes[at] !== CR) return head.fail(400, 'malformed first line')
  if (at + 1 >= end) return 0
  return bytes[at + 1] === LF ? at + 2 : head.fail(400, 'malformed first line')
}

function parseFields(head: MessageHead, bytes: Buffer, at: number, end: number, strict: boolean): number {
  const { lines, ids } = head
  let count = 0
  for (;;) {
    if (at >= end) return 0
    if (bytes[at] === CR) return finish(head, bytes, at, end, count)
    const nameStart = at
    while (at < end && TOKEN[bytes[at]!] !== 0) at++
    if (at >= end) return 0
    if (bytes[at] !== COLON || at === nameStart) return head.fail(400, 'malformed header name')
    const nameEnd = at++
    while (at < end && (bytes[at] === SP || bytes[at] === HTAB)) at++
    const valueStart = at
    while (at < end && VALUE[bytes[at]!] !== 0) at++
    if (at >= end) return 0
    if (bytes[at] !== CR) return head.fail(400, 'malformed header value')
    if (at + 1 >= end) return 0
    if (bytes[at + 1] !== LF) return head.fail(400, 'malformed header value')
    let valueEnd = at
    while (valueEnd > valueStart && (bytes[valueEnd - 1] === SP || bytes[valueEnd - 1] === HTAB)) valueEnd--
    at += 2
    if (count === maxFields) return head.fail(431, 'too many headers')
    const line = count * 4
    lines[line] = nameStart
    lines[line + 1] = nameEnd
    lines[line + 2] = valueStart
    lines[line + 3] = valueEnd
    const id = nameId(bytes, nameStart, nameEnd)
    ids[count] = id
    const failed = id === 0 ? unmask(head, bytes, count) : note(head, bytes, id, count, strict)
    if (failed !== 0) return failed
    count++
  }
}

function finish(head: MessageHead, bytes: Buffer, at: number, end: number, count: number): number {
  if (at + 1 >= end) return 0
  if (bytes[at + 1] !== LF) return head.fail(400, 'malformed end of head')
  head.count = count
  head.end = at + 2
  return at + 2
}

/** Looks closer at a field that means nothing here. Returns 0 or an error. */
function unmask(head: MessageHead, bytes: Buffer, index: number): number {
  const id = disguisedId(bytes, head.lines[index * 4]!, head.lines[index * 4 + 1]!)
  if (id === 0) return 0
  if (id === CONTENT_LENGTH || id === TRANSFER_ENCODING) return head.fail(400, 'ambiguous framing')
  head.ids[index] = DISGUISED
  head.seen |= bit(DISGUISED)
  return 0
}

/** Takes in one of the fields that mean something here. Returns 0 or an error. */
function note(head: MessageHead, bytes: Buffer, id: number, index: number, strict: boolean): number {
  const again = (head.seen & bit(id)) !== 0
  head.seen |= bit(id)
  const start = head.lines[index * 4 + 2]!
  const end = head.lines[index * 4 + 3]!
  switch (id) {
    case HOST:
      head.hostLine = index
      return again && strict ? head.fail(400, 'more than one Host') : 0
    case CONTENT_LENGTH:
      if (again) return head.fail(400, 'more than one Content-Length')
      head.contentLength = parseLength(bytes, start, end)
      return head.contentLength < 0 ? head.fail(400, 'malformed Content-Length') : 0
    case TRANSFER_ENCODING:
      if (again || !isChunked(bytes, start, end, strict)) return head.fail(400, 'unsupported Transfer-Encoding')
      head.chunked = true
      return 0
    case CONNECTION:
      return readConnection(head, bytes, start, end) ? 0 : head.fail(400, 'malformed Connection')
    default:
      return 0
  }
}

/** Requests must spell it in lower case, as every client does; old servers may not. */
function isChunked(bytes: Buffer, start: number, end: number, strict: boolean): boolean {
  if (end - start !== 7) return false
  const text = latin1(bytes, start, end)
  return text === 'chunked' || (!strict && text.toLowerCase() === 'chunked')
}

function isDigits(bytes: Buffer, start: number, end: number): boolean {
  for (let i = start; i < end; i++) if (bytes[i]! < 0x30 || bytes[i]! > 0x39) return false
  return true
}

function parseLength(bytes: Buffer, start: number, end: number): number {
  if (end === start || end - start > 15 || !isDigits(bytes, start, end)) return -1
  let length = 0
  for (let i = start; i < end; i++) length = length * 10 + (bytes[i]! - 0x30)
  return length
}

function checkRequest(head: MessageHead, headEnd: number): number {
  if (head.hostLine < 0 && head.minor === 1) return head.fail(400, 'no Host')
  return checkFraming(head, headEnd)
}

function checkFraming(head: MessageHead, headEnd: number): number {
  if (head.chunked && head.contentLength >= 0) return head.fail(400, 'Content-Length and Transfer-Encoding')
  if (head.chunked && head.minor === 0) return head.fail(400, 'Transfer-Encoding in HTTP/1.0')
  return headEnd
}
