export const HTAB = 0x09
export const LF = 0x0a
export const CR = 0x0d
export const SP = 0x20
export const COLON = 0x3a
export const SEMICOLON = 0x3b

const tokenText = "!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyz"

/** The lower-case form of a token character (RFC 9110 section 5.6.2); 0 for every other byte. */
export const TOKEN: Uint8Array = tokenTable()

/** 1 for what a field value may hold (RFC 9110 section 5.5): HTAB, SP, VCHAR and obs-text. */
export const VALUE: Uint8Array = rangeTable(0x20, [HTAB])

/** 1 for what a request target may hold. Bytes above 0x7f are no URI but common, and no delimiter to anybody. */
export const TARGET: Uint8Array = rangeTable(0x21, [])

/** The value of a hexadecimal digit; 255 for every other byte. */
export const HEX: Uint8Array = hexTable()

function tokenTable(): Uint8Array {
  const table = new Uint8Array(256)
  for (const char of tokenText) {
    const code = char.charCodeAt(0)
    table[code] = code
    table[char.toUpperCase().charCodeAt(0)] = code
  }
  return table
}

function rangeTable(first: number, others: readonly number[]): Uint8Array {
  const table = new Uint8Array(256)
  for (let code = first; code < 256; code++) table[code] = code === 0x7f ? 0 : 1
  for (const code of others) table[code] = 1
  return table
}

function hexTable(): Uint8Array {
  const table = new Uint8Array(256).fill(255)
  for (const [value, char] of [...'0123456789abcdef'].entries()) {
    table[char.charCodeAt(0)] = value
    table[char.toUpperCase().charCodeAt(0)] = value
  }
  return table
}

/** Whether `bytes[start, end)` is `text` (in lower case) without regard to case. */
export function equalsFolded(bytes: Buffer, start: number, end: number, text: string): boolean {
  if (end - start !== text.length) return false
  for (let i = 0; i < text.length; i++) {
    const byte = bytes[start + i]!
    const folded = byte >= 0x41 && byte <= 0x5a ? byte | 0x20 : byte
    if (folded !== text.charCodeAt(i)) return false
  }
  return true
}

/** `bytes[start, end)` with one character for each byte. */
export function latin1(bytes: Buffer, start: number, end: number): string {
  return bytes.toString('latin1', start, end)
}
