import { GatewayError } from '@proxy/kernel'
import { CR, HYPHEN, LF, NUL, SP } from './wire.ts'

/** A whole reply, all of its lines. */
const maxReply = 65_536

export interface ReplySink {
  /** The next reply of the backend; `bytes`, all of its lines, are valid during the call. False: stop. */
  onReply(code: number, bytes: Buffer): boolean
}

/**
 * Cuts a backend's bytes into replies (RFC 5321 section 4.2). A reply is handed on once it is complete, so that nobody
 * is told half of one.
 */
export class ReplyReader {
  #held: Buffer | undefined = undefined

  /** Throws `PROXY_BACKEND_PROTOCOL` for what is no reply. */
  read(bytes: Buffer, sink: ReplySink): void {
    const all = this.#held === undefined ? bytes : Buffer.concat([this.#held, bytes])
    this.#held = undefined
    let at = 0
    while (at < all.length) {
      const length = replyLength(all, at)
      if (length === 0) break
      if (!sink.onReply(codeOf(all, at), all.subarray(at, at + length))) return
      at += length
    }
    if (at < all.length) this.#held = Buffer.from(all.subarray(at))
  }
}

/** Length of the reply at `at`; 0 = not complete. Throws `PROXY_BACKEND_PROTOCOL` for what is none. */
export function replyLength(bytes: Buffer, at: number): number {
  let line = at
  for (;;) {
    const lf = bytes.indexOf(LF, line)
    if ((lf < 0 ? bytes.length : lf) - at >= maxReply) throw malformed('a reply without an end')
    if (lf < 0) return 0
    checkLine(bytes, line, lf)
    if (codeOf(bytes, line) !== codeOf(bytes, at)) throw malformed('a reply of two codes')
    if (bytes[line + 3] !== HYPHEN) return lf + 1 - at
    line = lf + 1
  }
}

/** A framer of whole replies, for channels. */
export function replyFramer(bytes: Buffer): number {
  return replyLength(bytes, 0)
}

/** The three digits at `at`; NaN when they are none. */
export function codeOf(bytes: Buffer, at: number): number {
  return digit(bytes, at) * 100 + digit(bytes, at + 1) * 10 + digit(bytes, at + 2)
}

/** The lines of a reply without code and line end. */
export function linesOf(reply: Buffer): string[] {
  return reply
    .toString('utf8')
    .split('\r\n')
    .slice(0, -1)
    .map((line) => line.slice(4))
}

function digit(bytes: Buffer, at: number): number {
  const value = bytes[at]! - 0x30
  return value >= 0 && value <= 9 ? value : Number.NaN
}

function checkLine(bytes: Buffer, line: number, lf: number): void {
  const code = codeOf(bytes, line)
  if (!(code >= 200 && code <= 599)) throw malformed('a reply without a code')
  const separator = bytes[line + 3]
  if (separator !== SP && separator !== HYPHEN && separator !== CR) throw malformed('a reply without a code')
  if (bytes.indexOf(CR, line) !== lf - 1) throw malformed('a reply with a bare CR or LF')
  for (let i = line; i < lf; i++) if (bytes[i] === NUL) throw malformed('a reply with a NUL')
}

function malformed(what: string): GatewayError {
  return new GatewayError('PROXY_BACKEND_PROTOCOL', { cause: new Error(what) })
}
