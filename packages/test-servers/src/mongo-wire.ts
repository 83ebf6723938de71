import { BSON, type Document } from 'mongodb'

/** A message as tests write and read it: OP_MSG, or the old OP_QUERY and OP_REPLY. Independent of the code under test. */
export interface MongoMessage {
  readonly requestId: number
  readonly responseTo: number
  readonly opCode: number
  /** Flag bits of an OP_MSG; 0 in other messages. */
  readonly flags: number
  /** The section of kind 0. */
  readonly document: Document
  /** The sections of kind 1 by their identifier. */
  readonly sequences: Readonly<Record<string, readonly Document[]>>
}

export const mongoFlags = { checksumPresent: 1, moreToCome: 2, exhaustAllowed: 65_536 } as const

const opReply = 1
const opQuery = 2004
const opMsg = 2013

export interface MongoEncoding {
  readonly requestId?: number | undefined
  readonly responseTo?: number | undefined
  readonly flags?: number | undefined
  /** Sections of kind 1 that follow, or with `sequencesFirst` precede, the document. */
  readonly sequences?: Readonly<Record<string, readonly Document[]>> | undefined
  readonly sequencesFirst?: boolean | undefined
}

/** An OP_MSG. With the flag `checksumPresent` four bytes follow that nobody looks at. */
export function encodeMongo(document: Document, options: MongoEncoding = {}): Buffer {
  const { flags = 0, sequences = {} } = options
  const body = Buffer.concat([Buffer.of(0), BSON.serialize(document)])
  const kind1 = Object.entries(sequences).map(([name, documents]) => encodeSequence(name, documents))
  const sections = options.sequencesFirst === true ? [...kind1, body] : [body, ...kind1]
  const checksum = (flags & mongoFlags.checksumPresent) === 0 ? [] : [Buffer.alloc(4)]
  return withHeader(opMsg, options, Buffer.concat([int32(flags), ...sections, ...checksum]))
}

/** An OP_QUERY on `admin.$cmd`, as clients begin that do not know the server yet. */
export function encodeMongoQuery(document: Document, options: MongoEncoding = {}): Buffer {
  const head = [int32(0), Buffer.from('admin.$cmd\0'), int32(0), int32(-1)]
  return withHeader(opQuery, options, Buffer.concat([...head, BSON.serialize(document)]))
}

/** An OP_REPLY with one document. */
export function encodeMongoReply(document: Document, options: MongoEncoding = {}): Buffer {
  const head = [int32(8), Buffer.alloc(8), int32(0), int32(1)]
  return withHeader(opReply, options, Buffer.concat([...head, BSON.serialize(document)]))
}

/** Any message: the header in front of `rest`. */
export function withHeader(opCode: number, options: MongoEncoding, rest: Buffer): Buffer {
  const { requestId = 1, responseTo = 0 } = options
  return Buffer.concat([int32(16 + rest.length), int32(requestId), int32(responseTo), int32(opCode), rest])
}

/** Puts the bytes of a stream together to messages. */
export class MongoReader {
  #chunks: Buffer[] = []
  #have = 0
  #need = 4

  /** The messages that are whole now. */
  push(bytes: Buffer): MongoMessage[] {
    this.#chunks.push(bytes)
    this.#have += bytes.length
    const messages: MongoMessage[] = []
    while (this.#have >= this.#need) {
      const all = Buffer.concat(this.#chunks)
      const length = all.readInt32LE(0)
      const whole = length <= all.length
      if (whole) messages.push(decodeOne(all.subarray(0, length)))
      this.#need = whole ? 4 : length
      this.#chunks = [whole ? all.subarray(length) : all]
      this.#have = this.#chunks[0]!.length
    }
    return messages
  }
}

function decodeOne(bytes: Buffer): MongoMessage {
  const opCode = bytes.readInt32LE(12)
  const ids = { requestId: bytes.readInt32LE(4), responseTo: bytes.readInt32LE(8), opCode }
  if (opCode === opMsg) return { ...ids, ...decodeMsg(bytes) }
  const start = opCode === opReply ? 36 : bytes.indexOf(0, 20) + 9
  return { ...ids, flags: 0, document: decodeDocument(bytes, start), sequences: {} }
}

function decodeMsg(bytes: Buffer): Pick<MongoMessage, 'flags' | 'document' | 'sequences'> {
  const flags = bytes.readInt32LE(16)
  const end = bytes.length - ((flags & mongoFlags.checksumPresent) === 0 ? 0 : 4)
  const sequences: Record<string, Document[]> = {}
  let document: Document = {}
  for (let at = 20; at < end; at += 1 + bytes.readInt32LE(at + 1)) {
    if (bytes[at] === 0) document = decodeDocument(bytes, at + 1)
    else sequences[sequenceName(bytes, at)] = decodeSequence(bytes.subarray(at + 1, at + 1 + bytes.readInt32LE(at + 1)))
  }
  return { flags, document, sequences }
}

const sequenceName = (bytes: Buffer, at: number): string => bytes.toString('utf8', at + 5, bytes.indexOf(0, at + 5))

function decodeSequence(bytes: Buffer): Document[] {
  const documents: Document[] = []
  for (let at = bytes.indexOf(0, 4) + 1; at < bytes.length; at += bytes.readInt32LE(at)) {
    documents.push(decodeDocument(bytes, at))
  }
  return documents
}

function encodeSequence(name: string, documents: readonly Document[]): Buffer {
  const rest = Buffer.concat([Buffer.from(`${name}\0`), ...documents.map((document) => BSON.serialize(document))])
  return Buffer.concat([Buffer.of(1), int32(4 + rest.length), rest])
}

const decodeDocument = (bytes: Buffer, at: number): Document =>
  BSON.deserialize(bytes.subarray(at, at + bytes.readInt32LE(at)))

function int32(value: number): Buffer {
  const bytes = Buffer.alloc(4)
  bytes.writeInt32LE(value)
  return bytes
}
