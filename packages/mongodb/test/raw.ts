import net from 'node:net'
import nodeTls from 'node:tls'
import { encodeMongo, encodeMongoQuery, type MongoEncoding, type MongoMessage, MongoReader } from '@proxy/test-servers'
import { until } from '@proxy/testkit'
import type { Document } from 'mongodb'

/** A connection on which a test writes every message itself. */
export class RawMongo implements Disposable {
  readonly socket: net.Socket
  readonly messages: MongoMessage[] = []
  closed = false
  readonly #reader = new MongoReader()
  readonly #chunks: Buffer[] = []
  #requestId = 0
  #taken = 0

  constructor(socket: net.Socket) {
    this.socket = socket
    socket.on('error', () => undefined)
    socket.once('close', () => (this.closed = true))
    socket.on('data', (bytes: Buffer) => this.#receive(bytes))
  }

  /** Every byte that came. */
  get bytes(): Buffer {
    return Buffer.concat(this.#chunks)
  }

  write(bytes: Uint8Array): void {
    this.socket.write(bytes)
  }

  /** Sends an OP_MSG; returns its request id. */
  send(document: Document, options: MongoEncoding = {}): number {
    const requestId = options.requestId ?? ++this.#requestId
    this.write(encodeMongo(document, { ...options, requestId }))
    return requestId
  }

  /** Sends an OP_MSG and waits for the answer to it. */
  async ask(document: Document, options: MongoEncoding = {}): Promise<Document> {
    const requestId = this.send(document, options)
    return (await this.#find(({ responseTo }) => responseTo === requestId, Object.keys(document)[0] ?? '')).document
  }

  /** Sends an OP_QUERY and waits for the answer to it. */
  async askOld(document: Document): Promise<MongoMessage> {
    const requestId = ++this.#requestId
    this.write(encodeMongoQuery(document, { requestId }))
    return this.#find(({ responseTo }) => responseTo === requestId, Object.keys(document)[0] ?? '')
  }

  /** The next message that was not taken by this before. */
  async next(): Promise<MongoMessage> {
    const index = this.#taken++
    return this.#find((_, at) => at === index, 'a message')
  }

  async closes(): Promise<void> {
    await until(
      () => this.closed,
      () => `the end of the connection; there are ${JSON.stringify(this.messages)}`,
    )
  }

  [Symbol.dispose](): void {
    this.socket.destroy()
  }

  async #find(wanted: (message: MongoMessage, index: number) => boolean, what: string): Promise<MongoMessage> {
    const find = (): MongoMessage | undefined => this.messages.find(wanted)
    await until(
      () => this.closed || find() !== undefined,
      () => `the answer to ${what}`,
    )
    const found = find()
    if (found === undefined) throw new Error(`closed before ${what} was answered`)
    return found
  }

  #receive(bytes: Buffer): void {
    this.#chunks.push(bytes)
    this.messages.push(...this.#reader.push(bytes))
  }
}

export function rawMongo(port: number): RawMongo {
  return new RawMongo(net.connect(port, '127.0.0.1'))
}

export function rawMongoTls(port: number, options: nodeTls.ConnectionOptions): RawMongo {
  return new RawMongo(nodeTls.connect({ port, host: '127.0.0.1', ...options }))
}
