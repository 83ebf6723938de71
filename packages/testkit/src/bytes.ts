import { Buffer } from 'node:buffer'

/** Bytes as a test writes them; a string is latin1, as on a link. */
export type Bytes = Uint8Array | string

/** A copy. */
export function toBuffer(bytes: Bytes): Buffer {
  return typeof bytes === 'string' ? Buffer.from(bytes, 'latin1') : Buffer.from(bytes)
}

const shown = 120

/** Bytes as an error message shows them: printable, short, with their number. */
export function show(bytes: Uint8Array): string {
  const text = Buffer.from(bytes.subarray(0, shown)).toString('latin1')
  return `${JSON.stringify(text)}${bytes.length > shown ? ' ...' : ''} (${bytes.length} bytes)`
}
