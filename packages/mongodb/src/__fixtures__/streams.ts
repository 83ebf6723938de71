import { readFileSync } from 'node:fs'
import { deserialize, type Document, serialize } from 'bson'

/** What clients sent in real sessions. */
export const captured = [
  'driver',
  'driver-monitor',
  'driver-direct',
  'driver-balanced',
  'driver-scram',
  'driver-scram-monitor',
  'driver-mechanism',
  'driver-api',
  'driver-api-monitor',
  'mongosh',
  'mongosh-monitor',
  'mongosh-scram',
  'mongosh-nodb',
] as const

export const capture = (name: (typeof captured)[number]): Buffer =>
  readFileSync(new URL(`${name}.bin`, import.meta.url))

/** The messages of a stream. */
export function messagesOf(stream: Buffer): Buffer[] {
  const messages: Buffer[] = []
  for (let at = 0; at < stream.length; at += stream.readInt32LE(at)) {
    messages.push(stream.subarray(at, at + stream.readInt32LE(at)))
  }
  return messages
}

export interface MessageParts {
  readonly requestId?: number
  readonly responseTo?: number
  readonly flags?: number
  /** Sections as they are, kind included, in order. Default: the document. */
  readonly sections?: readonly Buffer[]
}

export const body = (document: Document): Buffer => Buffer.concat([Buffer.of(0), serialize(document)])

export function sequence(name: string, documents: readonly Document[]): Buffer {
  const content = Buffer.concat([Buffer.from(`${name}\0`), ...documents.map((document) => serialize(document))])
  return Buffer.concat([Buffer.of(1), int32(content.length + 4), content])
}

/** An OP_MSG. With the checksum flag four bytes follow the sections. */
export function message(document: Document, parts: MessageParts = {}): Buffer {
  const { requestId = 7, responseTo = 0, flags = 0, sections = [body(document)] } = parts
  const checksum = Buffer.alloc((flags & 1) === 0 ? 0 : 4, 0xee)
  const rest = Buffer.concat([int32(flags), ...sections, checksum])
  return Buffer.concat([int32(rest.length + 16), int32(requestId), int32(responseTo), int32(2013), rest])
}

/** An OP_QUERY for a command. */
export function query(document: Document, collection: string = 'admin.$cmd'): Buffer {
  const rest = Buffer.concat([int32(0), Buffer.from(`${collection}\0`), int32(0), int32(-1), serialize(document)])
  return Buffer.concat([int32(rest.length + 16), int32(7), int32(0), int32(2004), rest])
}

/** The document of an OP_MSG that begins with it, or of an OP_REPLY. */
export function documentOf(bytes: Buffer): Document {
  const at = bytes.readInt32LE(12) === 2013 ? 21 : 36
  return deserialize(bytes.subarray(at), { promoteLongs: false, allowObjectSmallerThanBufferSize: true })
}

export function int32(value: number): Buffer {
  const bytes = Buffer.alloc(4)
  bytes.writeInt32LE(value)
  return bytes
}
