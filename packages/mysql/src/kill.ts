import { commands } from './wire.ts'

/** Longer statements are not looked at. */
export const maxKillBytes = 4_096

/** A connection id in a command, and where it stands. */
export interface KillTarget {
  readonly id: number
  readonly start: number
  readonly end: number
}

const word = /[a-z]+/iy
const digits = /\d{1,10}(?![\w.])/y
/** What may stand between KILL and the number; ID and USER are about other numbers. */
const fillers: readonly string[] = ['hard', 'soft', 'connection', 'query']

/** Whether the first bytes of a statement may be those of a KILL: a blank, a comment, or its first letter. */
export function mayKill(first: number | undefined): boolean {
  if (first === undefined) return false
  return first === 0x4b || first === 0x6b || first <= 0x20 || first === 0x2f || first === 0x23 || first === 0x2d
}

/** The connection that a whole command is about to kill. */
export function killTarget(payload: Buffer, textAt: number): KillTarget | undefined {
  if (payload[0] === commands.processKill) {
    return payload.length === 5 ? { id: payload.readUInt32LE(1), start: 1, end: 5 } : undefined
  }
  const text = payload.toString('latin1', textAt)
  let at = afterBlank(text, 0)
  if (wordAt(text, at) !== 'kill') return undefined
  at = afterBlank(text, at + 4)
  for (let filler = wordAt(text, at); filler !== ''; filler = wordAt(text, at)) {
    if (!fillers.includes(filler)) return undefined
    at = afterBlank(text, at + filler.length)
  }
  const number = matchAt(digits, text, at)
  if (number === '') return undefined
  return { id: Number(number), start: textAt + at, end: textAt + at + number.length }
}

function wordAt(text: string, at: number): string {
  return matchAt(word, text, at).toLowerCase()
}

function matchAt(pattern: RegExp, text: string, at: number): string {
  pattern.lastIndex = at
  return pattern.exec(text)?.[0] ?? ''
}

/** Behind white space and comments; comments that hold code for the server are none. */
function afterBlank(text: string, from: number): number {
  for (let at = from; ; ) {
    if (/\s/.test(text[at] ?? '')) at++
    else if (text.startsWith('/*', at) && text[at + 2] !== '!') at = afterNext(text, '*/', at + 2)
    else if (text[at] === '#' || /^--\s/.test(text.slice(at, at + 3))) at = afterNext(text, '\n', at + 1)
    else return at
  }
}

function afterNext(text: string, end: string, from: number): number {
  const at = text.indexOf(end, from)
  return at < 0 ? text.length : at + end.length
}

/** The command with another id in it. */
export function retarget(payload: Buffer, { start, end }: KillTarget, id: number): Buffer {
  if (payload[0] === commands.processKill) {
    const copy = Buffer.from(payload)
    copy.writeUInt32LE(id, 1)
    return copy
  }
  return Buffer.concat([payload.subarray(0, start), Buffer.from(String(id)), payload.subarray(end)])
}
