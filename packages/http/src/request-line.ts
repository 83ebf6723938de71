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
