import type { Socket } from 'node:net'
import type { Document } from 'mongodb'
import { encodeMongo, encodeMongoReply, mongoFlags, type MongoMessage, MongoReader } from './mongo-wire.ts'
import { tcpBackend, type TcpBackend } from './tcp.ts'

export interface ScriptedCommand extends MongoMessage {
  /** Number of the connection, from 0. */
  readonly connection: number
  /** The command's name: the first field. */
  readonly name: string
}

/** The answer; several are an exhaust stream; undefined: none is sent. What a request with `moreToCome` gets is dropped. */
export type MongoScript = (command: ScriptedCommand) => MongoAnswer | Promise<MongoAnswer>
export type MongoAnswer = Document | readonly Document[] | undefined

/**
 * A backend of which a test says every word: for what no server that tests may use has got (replica sets, transactions,
 * exhaust streams, unacknowledged writes done right), and for faults.
 */
export class ScriptedMongo {
  /** Every command so far, the handshakes included. */
  readonly commands: ScriptedCommand[] = []
  readonly #script: MongoScript
  #tcp!: TcpBackend
  #requestId = 1_000
  #connections = 0

  /** Use {@link mongoScript}. */
  constructor(script: MongoScript) {
    this.#script = script
  }

  /** `host:port`, as a resolver answers it. */
  get endpoint(): string {
    return this.#tcp.endpoint
  }

  get port(): number {
    return this.#tcp.port
  }

  /** Connections so far. */
  get connections(): number {
    return this.#connections
  }

  /** Sockets so far, to break them off. */
  get sockets(): readonly Socket[] {
    return this.#tcp.sockets
  }

  /** Commands by name, the handshakes left out. */
  get asked(): string[] {
    return this.commands.map(({ name }) => name).filter((name) => !/^(hello|ismaster)$/i.test(name))
  }

  async listen(): Promise<this> {
    this.#tcp = await tcpBackend((socket) => this.#serve(socket))
    return this
  }

  async close(): Promise<void> {
    await this.#tcp.close()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close()
  }

  #serve(socket: Socket): void {
    const connection = this.#connections++
    const reader = new MongoReader()
    socket.on('end', () => socket.end())
    socket.on('data', (bytes: Buffer) => {
      for (const message of reader.push(bytes))
        void this.#answer(socket, { ...message, connection, name: nameOf(message) })
    })
  }

  async #answer(socket: Socket, command: ScriptedCommand): Promise<void> {
    this.commands.push(command)
    const answer = await this.#script(command)
    if (answer === undefined || (command.flags & mongoFlags.moreToCome) !== 0) return
    const documents: readonly Document[] = Array.isArray(answer) ? answer : [answer]
    let responseTo = command.requestId
    for (const [index, document] of documents.entries()) {
      const requestId = this.#requestId++
      const flags = index < documents.length - 1 ? mongoFlags.moreToCome : 0
      const encode = command.opCode === 2004 ? encodeMongoReply : encodeMongo
      socket.write(encode(document, { requestId, responseTo, flags }))
      responseTo = requestId
    }
  }
}

const nameOf = ({ document }: MongoMessage): string => Object.keys(document)[0] ?? ''

/** The hello of a primary in a replica set whose members are called as only the inside knows them. */
export const replicaSetHello: Document = {
  helloOk: true,
  isWritablePrimary: true,
  ismaster: true,
  topologyVersion: { processId: 'aaaaaaaaaaaa', counter: 6 },
  hosts: ['mongo-0.internal:27017', 'mongo-1.internal:27017'],
  setName: 'rs-internal',
  setVersion: 3,
  secondary: false,
  primary: 'mongo-0.internal:27017',
  me: 'mongo-0.internal:27017',
  electionId: 'ffffffffffff',
  maxBsonObjectSize: 16_777_216,
  maxMessageSizeBytes: 48_000_000,
  maxWriteBatchSize: 100_000,
  logicalSessionTimeoutMinutes: 30,
  minWireVersion: 0,
  maxWireVersion: 21,
  readOnly: false,
  compression: ['zstd', 'snappy', 'zlib'],
  ok: 1,
}

/** A backend that greets as {@link replicaSetHello} says, or as the script does, which is asked for everything else. */
export function mongoScript(script: MongoScript = () => ({ ok: 1 })): Promise<ScriptedMongo> {
  return new ScriptedMongo(async (command) => {
    const answer = await script(command)
    if (!/^(hello|ismaster)$/i.test(command.name)) return answer
    return answer === undefined || !('maxWireVersion' in answer) ? replicaSetHello : answer
  }).listen()
}
