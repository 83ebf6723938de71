import { GatewayError } from '@proxy/kernel'

/** Types of TLS records (RFC 8446 section 5.1); the contents here are not TLS. */
export const handshakeRecord = 0x16
export const dataRecord = 0x17

const headLength = 5
const largest = 16_384
const mask = 0xa5

export interface TestRecord {
  readonly type: number
  readonly content: Buffer
}

/** Content as records: visibly not plain text, and recognised as TLS by its first bytes. */
export function seal(type: number, content: Uint8Array): Buffer {
  const records: Buffer[] = []
  for (let at = 0; at === 0 || at < content.length; at += largest) {
    const part = content.subarray(at, at + largest)
    const record = Buffer.alloc(headLength + part.length)
    record.writeUInt8(type, 0)
    record.writeUInt16BE(0x0303, 1)
    record.writeUInt16BE(part.length, 3)
    for (let index = 0; index < part.length; index++) record[headLength + index] = (part[index] as number) ^ mask
    records.push(record)
  }
  return Buffer.concat(records)
}

/** Length of the record at the start of `bytes`; 0 when more are needed. Throws on anything that is no record. */
export function recordLength(bytes: Buffer): number {
  const type = bytes[0]
  if (type !== undefined && type !== handshakeRecord && type !== dataRecord) throw notTls()
  if (bytes.length >= 3 && bytes[1] !== 3) throw notTls()
  if (bytes.length < headLength) return 0
  const length = bytes.readUInt16BE(3)
  if (length > largest) throw notTls()
  return headLength + length
}

/** The record that is `bytes`. */
export function open(bytes: Buffer): TestRecord {
  return { type: bytes.readUInt8(0), content: Buffer.from(bytes.subarray(headLength).map((byte) => byte ^ mask)) }
}

const notTls = (): GatewayError => new GatewayError('PROXY_TLS_HANDSHAKE', { cause: new Error('no TLS record') })
