import { type Framer, GatewayError } from '@proxy/kernel'
import { malformed, minDocumentBytes, readLength } from './bson.ts'

/** Operation codes (MongoDB wire protocol). All but these are long gone, or internal. */
export const opCodes = { reply: 1, query: 2004, compressed: 2012, msg: 2013 } as const

/** Flag bits of OP_MSG. The lower 16 are required: whoever does not know one must not go on. */
export const flags = { checksum: 1, moreToCome: 2, exhaustAllowed: 65_536 } as const

const knownRequired: number = flags.checksum | flags.moreToCome

export const headerBytes = 16
/** Header and flag bits. */
export const msgHeadBytes = 20
/** maxMessageSizeBytes: no message may be longer. */
export const maxMessageBytes = 48_000_000
/** Header, flags, kind and an empty document. */
const minMsgBytes: number = msgHeadBytes + 1 + minDocumentBytes

/** The length that a header says. Throws `PROXY_MALFORMED` before anybody makes room for it. */
export function messageLength(bytes: Buffer, at: number): number {
  const length = readLength(bytes, at)
  if (length < headerBytes || length > maxMessageBytes) throw malformed('a length that is out of bounds')
  return length
}

/** Throws `PROXY_UNSUPPORTED` for what is not spoken here, `PROXY_MALFORMED` for what cannot be. */
export function checkOpCode(opCode: number, length: number): void {
  if (opCode === opCodes.msg) {
    if (length < minMsgBytes) throw malformed('a message that is too short')
  } else if (opCode === opCodes.compressed) {
    throw new GatewayError('PROXY_UNSUPPORTED', { message: 'compressed messages are not supported' })
  } else if (opCode !== opCodes.query) {
    throw new GatewayError('PROXY_UNSUPPORTED', { message: `messages with the opcode ${opCode} are not supported` })
  }
}

/** Throws `PROXY_UNSUPPORTED` when a required bit is not known. */
export function checkFlags(bits: number): void {
  if ((bits & 0xffff & ~knownRequired) === 0) return
  throw new GatewayError('PROXY_UNSUPPORTED', { message: 'the message has flag bits that are not supported' })
}

/** Whole messages. */
export const messageFramer: Framer = (bytes) => (bytes.length < 4 ? 0 : messageLength(bytes, 0))

/** An OP_MSG with one section of kind 0. */
export function encodeMsg(requestId: number, responseTo: number, document: Buffer): Buffer {
  const bytes = Buffer.alloc(msgHeadBytes + 1 + document.length)
  writeHeader(bytes, requestId, responseTo, opCodes.msg)
  document.copy(bytes, msgHeadBytes + 1)
  return bytes
}

const replyHeadBytes = 36
const queryFailure = 2
const awaitCapable = 8

/** An OP_REPLY, as clients that began with OP_QUERY expect it. */
export function encodeReply(responseTo: number, document: Buffer, failed: boolean): Buffer {
  const bytes = Buffer.alloc(replyHeadBytes + document.length)
  writeHeader(bytes, 0, responseTo, opCodes.reply)
  bytes.writeInt32LE(failed ? queryFailure : awaitCapable, headerBytes)
  bytes.writeInt32LE(1, replyHeadBytes - 4)
  document.copy(bytes, replyHeadBytes)
  return bytes
}

/** The document of an OP_MSG that has one section of kind 0, as replies have. Throws `PROXY_MALFORMED`. */
export function replyDocument(message: Buffer): Buffer {
  const isReply =
    message.length >= minMsgBytes && readLength(message, 12) === opCodes.msg && message[msgHeadBytes] === 0
  if (!isReply) throw malformed('not a reply')
  const checksum = (message.readUInt32LE(headerBytes) & flags.checksum) === 0 ? 0 : 4
  return message.subarray(msgHeadBytes + 1, message.length - checksum)
}

function writeHeader(bytes: Buffer, requestId: number, responseTo: number, opCode: number): void {
  bytes.writeInt32LE(bytes.length, 0)
  bytes.writeInt32LE(requestId, 4)
  bytes.writeInt32LE(responseTo, 8)
  bytes.writeInt32LE(opCode, 12)
}
