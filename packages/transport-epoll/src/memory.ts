import { koffi } from './koffi.ts'

/**
 * Every address that a system call is given comes from this file. The rules:
 *
 * 1. A block's memory does not move and lives for as long as the block is referred to: whoever has an address in hand
 *    refers to its block, through the module or through the object that made the call.
 * 2. The system keeps no address beyond the call: all calls are on sockets that do not block, and return at once.
 * 3. An address plus a length never leaves its block: `addressIn` is the only sum, and checks it.
 */
export interface Block {
  readonly bytes: Buffer
  readonly address: number
}

/** Zeroed memory of its own, never a part of Node's pool. */
export function block(size: number): Block {
  const bytes = Buffer.from(new ArrayBuffer(size))
  return { bytes, address: Number(koffi().address(bytes)) }
}

/** Where `length` bytes at `offset` of a block lie. */
export function addressIn({ bytes, address }: Block, offset: number, length: number): number {
  if (offset < 0 || length < 0 || offset + length > bytes.length) throw new RangeError('outside of the block')
  return address + offset
}

/** Bytes that lie in a block: their offset there, or -1. */
export function offsetIn({ bytes }: Block, part: Uint8Array): number {
  return part.buffer === bytes.buffer ? part.byteOffset - bytes.byteOffset : -1
}
