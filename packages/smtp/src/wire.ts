export const NUL = 0x00
export const LF = 0x0a
export const CR = 0x0d
export const SP = 0x20
export const DOT = 0x2e
export const HYPHEN = 0x2d

/** A command line, CRLF included (RFC 5321 section 4.5.3.1.4). */
const maxLine = 512
/** MAIL and RCPT with the parameters of every extension that is relayed. */
const maxEnvelopeLine = 2_048
/** AUTH and its continuations (RFC 4954 section 4.3). */
export const maxAuthLine = 12_288

/** Longest line that the command at the start of `bytes` may have. */
export function lineLimit(bytes: Buffer, at: number): number {
  // Lower case by setting bit 5; other bytes that it maps to letters are no verbs and are refused anyway.
  switch (bytes.length - at < 4 ? 0 : bytes.readUInt32BE(at) | 0x20202020) {
    case 0x6d61696c: // mail
    case 0x72637074: // rcpt
      return maxEnvelopeLine
    case 0x61757468: // auth
      return maxAuthLine
    default:
      return maxLine
  }
}

/** Length of the line at `at`, its LF included; 0 = not complete; -1 = too long. */
export function lineLength(bytes: Buffer, at: number, limit: number): number {
  const length = bytes.indexOf(LF, at) + 1 - at
  if (length > 0) return length > limit ? -1 : length
  return bytes.length - at >= limit ? -1 : 0
}

/** Why a line, LF included, is none (RFC 5321 section 2.3.8); undefined = it ends in its only CRLF and holds no NUL. */
export function lineFault(line: Buffer): string | undefined {
  const cr = line.indexOf(CR)
  if (cr < 0) return 'bare LF is not allowed'
  if (cr !== line.length - 2) return 'bare CR is not allowed'
  return line.indexOf(NUL) < 0 ? undefined : 'NUL is not allowed'
}

/** The verb of a command line in upper case; empty when the line begins with anything but letters. */
export function verbOf(line: Buffer): string {
  let end = 0
  while (isLetter(line[end]!)) end++
  return line[end] === SP || line[end] === CR ? line.toString('latin1', 0, end).toUpperCase() : ''
}

/** What follows the verb, without the blanks around it. */
export function argumentOf(line: Buffer): string {
  const at = line.indexOf(SP)
  return at < 0 ? '' : line.toString('utf8', at, line.length - 2).trim()
}

function isLetter(byte: number): boolean {
  const lower = byte | 0x20
  return lower >= 0x61 && lower <= 0x7a
}

/** `BDAT 1000 LAST` (RFC 3030 section 2); undefined when it is not of that form. */
export function parseBdat(argument: string): { readonly size: number; readonly last: boolean } | undefined {
  const match = /^(\d{1,15})( +LAST)?$/i.exec(argument)
  return match === null ? undefined : { size: Number(match[1]), last: match[2] !== undefined }
}

const foreignVerbs = /^(CONNECT|DELETE|GET|HEAD|OPTIONS|PATCH|POST|PUT|TRACE) /i

/**
 * Whether a line that is no command is one of HTTP: a browser can be made to send it, with commands behind it. Nobody who says
 * such a line is listened to any further.
 */
export function isForeign(line: Buffer): boolean {
  const text = line.toString('latin1')
  return foreignVerbs.test(text) || /^[\w-]+:/.test(text)
}
