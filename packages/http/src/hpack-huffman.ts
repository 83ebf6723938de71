/** Bits of the code of each byte (RFC 7541 appendix B). The code is canonical, so that its lengths say all; the end is 30 ones. */
// biome-ignore format: a table
const lengths = [
  13, 23, 28, 28, 28, 28, 28, 28, 28, 24, 30, 28, 28, 30, 28, 28, 28, 28, 28, 28, 28, 28, 30, 28, 28, 28, 28, 28, 28, 28, 28, 28,
  6, 10, 10, 12, 13, 6, 8, 11, 10, 10, 8, 11, 8, 6, 6, 6, 5, 5, 5, 6, 6, 6, 6, 6, 6, 6, 7, 8, 15, 6, 12, 10,
  13, 6, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 8, 7, 8, 13, 19, 13, 14, 6,
  15, 5, 6, 5, 6, 5, 6, 6, 6, 5, 7, 7, 6, 6, 6, 5, 6, 7, 6, 5, 5, 6, 7, 7, 7, 7, 7, 15, 11, 14, 13, 28,
  20, 22, 20, 20, 22, 22, 22, 23, 22, 23, 23, 23, 23, 23, 24, 23, 24, 24, 22, 23, 24, 23, 23, 23, 23, 21, 22, 23, 22, 23, 23, 24,
  22, 21, 20, 22, 22, 23, 23, 21, 23, 22, 22, 24, 21, 22, 23, 23, 21, 21, 22, 21, 23, 22, 23, 23, 20, 22, 22, 22, 23, 22, 22, 23,
  26, 26, 20, 19, 22, 23, 22, 25, 26, 26, 26, 27, 27, 26, 24, 25, 19, 21, 26, 27, 27, 26, 27, 24, 21, 21, 26, 26, 28, 27, 27, 27,
  20, 24, 20, 21, 22, 21, 21, 23, 22, 22, 25, 25, 24, 24, 26, 23, 26, 27, 26, 26, 27, 27, 27, 27, 27, 28, 27, 27, 27, 27, 27, 26,
]

/** Bytes of room that a string of so many coded bytes may need: the shortest code has 5 bits. */
export function huffmanRoom(length: number): number {
  return Math.ceil((length * 8) / 5)
}

/**
 * The tree in tables of 256: what the next 8 bits lead to. A leaf is `symbol << 8 | bits`, where those below `bits` belong to
 * the next symbol; another table is its number, negated; 0 is no code (the end, which must not occur).
 */
const tables: Int32Array[] = buildTables()

function buildTables(): Int32Array[] {
  const built = [new Int32Array(256)]
  const symbols = lengths.map((_, symbol) => symbol).toSorted((a, b) => lengths[a]! - lengths[b]! || a - b)
  let code = 0
  let bits = 5
  for (const symbol of symbols) {
    code <<= lengths[symbol]! - bits
    bits = lengths[symbol]!
    place(built, code++, bits, symbol)
  }
  return built
}

function place(built: Int32Array[], code: number, bits: number, symbol: number): void {
  let table = built[0]!
  while (bits > 8) {
    bits -= 8
    const byte = (code >>> bits) & 255
    if (table[byte] === 0) table[byte] = -(built.push(new Int32Array(256)) - 1)
    table = built[-table[byte]!]!
  }
  const first = (code << (8 - bits)) & 255
  table.fill((symbol << 8) | bits, first, first + (1 << (8 - bits)))
}

/**
 * Writes the string in `bytes[start, end)` to the start of `into`, which has {@link huffmanRoom}. Returns its length; -1 where the
 * code is broken or not padded with less than 8 ones (RFC 7541 section 5.2).
 */
export function decodeHuffman(bytes: Buffer, start: number, end: number, into: Uint8Array): number {
  const root = tables[0]!
  let table = root
  let length = 0
  /** The low `bits` bits of it are unread. */
  let pending = 0
  let bits = 0
  /** Bits since the last symbol, unread ones included. */
  let since = 0
  for (let at = start; at < end; at++) {
    pending = ((pending << 8) | bytes[at]!) & 0xffff
    bits += 8
    since += 8
    while (bits >= 8) {
      const found = table[(pending >>> (bits - 8)) & 255]!
      if (found > 0) {
        into[length++] = found >>> 8
        bits -= found & 255
        since = bits
        table = root
      } else if (found < 0) {
        bits -= 8
        table = tables[-found]!
      } else return -1
    }
  }
  while (bits > 0) {
    const found = table[(pending << (8 - bits)) & 255]!
    if (found <= 0 || (found & 255) > bits) break
    into[length++] = found >>> 8
    bits -= found & 255
    since = bits
    table = root
  }
  const ones = (1 << bits) - 1
  return since < 8 && (pending & ones) === ones ? length : -1
}
