import { latin1 } from './bytes.ts'
import type { AbsoluteTarget } from './headers.ts'
import { splitAbsolute } from './host.ts'
import type { MessageHead } from './message.ts'

const idempotent: ReadonlySet<string> = new Set(['GET', 'HEAD', 'OPTIONS', 'TRACE', 'PUT', 'DELETE'])

/** RFC 9110 section 9.2.2. */
export function isIdempotent(method: string): boolean {
  return idempotent.has(method)
}

export interface RequestTarget {
  readonly absolute: AbsoluteTarget | undefined
}

const origin: RequestTarget = { absolute: undefined }

/** Reads the form of the target (RFC 9112 section 3.2). A string says what is wrong with it. */
export function readTarget(head: MessageHead, bytes: Buffer, method: string): RequestTarget | string {
  if (method === 'CONNECT') return 'CONNECT is not supported'
  if (bytes[head.targetStart] === 0x2f) return origin
  const target = latin1(bytes, head.targetStart, head.targetEnd)
  if (target === '*') return method === 'OPTIONS' ? origin : 'malformed request target'
  const absolute = splitAbsolute(target)
  if (absolute === undefined || absolute.authority === '') return 'malformed request target'
  return { absolute }
}

/** The value of a field in the text of a head; '' when it is not there. `name` in lower case. */
export function fieldOf(text: string, name: string): string {
  const match = new RegExp(`\\r\\n${name}:[ \\t]*([^\\r]*)`, 'i').exec(text)
  return match?.[1] ?? ''
}

export function withoutQuery(target: string): string {
  const query = target.indexOf('?')
  return query < 0 ? target : target.slice(0, query)
}

/** The path of a target that is no URL; `known` itself when that is what it says. */
export function pathField(head: MessageHead, bytes: Buffer, known: string): string {
  const { targetStart, targetEnd } = head
  const end = targetStart + known.length
  const ends = end === targetEnd || (end < targetEnd && bytes[end] === 0x3f)
  if (ends && sameText(bytes, targetStart, end, known)) return known
  return withoutQuery(latin1(bytes, targetStart, targetEnd))
}

/** Without a new string for what nearly every request is. */
export function methodOf(head: MessageHead, bytes: Buffer): string {
  const { start, methodEnd } = head
  if (methodEnd - start === 3 && bytes[start] === 0x47 && bytes[start + 1] === 0x45 && bytes[start + 2] === 0x54) {
    return 'GET'
  }
  return latin1(bytes, start, methodEnd)
}

/** The Host field; `known` itself when that is what it says. '' when there is none. */
export function hostField(head: MessageHead, bytes: Buffer, known: string | undefined): string {
  if (head.hostLine < 0) return ''
  const start = head.lines[head.hostLine * 4 + 2]!
  const end = head.lines[head.hostLine * 4 + 3]!
  return known !== undefined && sameText(bytes, start, end, known) ? known : latin1(bytes, start, end)
}

function sameText(bytes: Buffer, start: number, end: number, text: string): boolean {
  if (end - start !== text.length) return false
  for (let i = 0; i < text.length; i++) if (bytes[start + i] !== text.charCodeAt(i)) return false
  return true
}
