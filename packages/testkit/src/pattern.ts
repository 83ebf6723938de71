/** Bytes that do not repeat at any power of two, so that a lost, doubled or swapped piece shows. */
export function pattern(length: number, seed = 1): Buffer {
  const bytes = Buffer.allocUnsafe(length)
  for (let index = 0, state = seed; index < length; index++) {
    state = (Math.imul(state, 1_103_515_245) + 12_345) & 0x7fff_ffff
    bytes[index] = state >>> 16
  }
  return bytes
}
