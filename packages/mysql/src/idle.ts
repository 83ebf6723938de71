import { statusFlags } from './wire.ts'

const eofBytes = 9

/**
 * Whether the last bytes of a backend are the end of an answer outside a transaction: an EOF packet, or an OK packet short
 * enough to be seen whole. Never true in doubt.
 */
export function endsIdle(tail: Buffer): boolean {
  return endsInEof(tail) || endsInOk(tail)
}

/** 05 00 00 seq fe warnings:2 status:2. */
function endsInEof(tail: Buffer): boolean {
  const at = tail.length - eofBytes
  if (at < 0 || tail.readUIntLE(at, 3) !== 5 || tail[at + 4] !== 0xfe) return false
  return isOutside(tail.readUInt16LE(at + 7))
}

/** len 00 00 seq (00|fe) affected insertId status:2 warnings:2, with nothing behind. */
function endsInOk(tail: Buffer): boolean {
  for (let at = tail.length - 11; at >= 0; at--) {
    if (tail.readUIntLE(at, 3) !== tail.length - at - 4) continue
    const kind = tail[at + 4]
    if (kind !== 0x00 && kind !== 0xfe) continue
    const status = statusAt(tail, at + 5)
    if (status !== undefined) return isOutside(status)
  }
  return false
}

const longestOk = 512
/** COM_STMT_PREPARE is answered by so many bytes that begin like an OK. */
const preparedBytes = 12

/**
 * Whether an answer that is one OK packet, with a text behind its status as after an UPDATE, ends outside a transaction; undefined when it is none
 * or may be something else.
 */
export function okEndsIdle(answer: Buffer): boolean | undefined {
  if (answer.length < 11 || answer.length > longestOk || answer[3] !== 1 || answer[4] !== 0x00) return undefined
  const length = answer.readUIntLE(0, 3)
  if (length !== answer.length - 4 || length === preparedBytes) return undefined
  const at = afterLenenc(answer, afterLenenc(answer, 5))
  return at + 4 > answer.length ? undefined : isOutside(answer.readUInt16LE(at))
}

/** The status behind two length-encoded integers, which end an OK packet together with the warnings. */
function statusAt(tail: Buffer, from: number): number | undefined {
  const at = afterLenenc(tail, afterLenenc(tail, from))
  return at + 4 === tail.length ? tail.readUInt16LE(at) : undefined
}

function afterLenenc(bytes: Buffer, at: number): number {
  const first = bytes[at] ?? 0
  if (first < 0xfb) return at + 1
  return at + (first === 0xfc ? 3 : first === 0xfd ? 4 : 9)
}

/** Nothing is open: no transaction, no further result, no cursor with rows left. */
function isOutside(status: number): boolean {
  if ((status & (statusFlags.inTransaction | statusFlags.moreResults)) !== 0) return false
  return (status & statusFlags.cursorExists) === 0 || (status & statusFlags.lastRowSent) !== 0
}
