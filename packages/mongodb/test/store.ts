import { mongoScript, replicaSetHello, type ScriptedCommand, type ScriptedMongo } from '@proxy/test-servers'
import { BSON, type Document } from 'mongodb'

/**
 * A store with transactions and retryable writes as MongoDB has them: no server that tests may use has got them. One
 * collection; `insert`, `find`, `commitTransaction`, `abortTransaction`.
 */
export class Store {
  /** What was committed, in order. */
  readonly documents: Document[] = []
  /** Called with each command before it is done; what it returns is answered in place of the store's answer. */
  before: ((command: ScriptedCommand) => Document | undefined) | undefined
  /** Called with each command when it was done: is it answered, does the connection break off instead, or does nothing come? */
  after: ((command: ScriptedCommand) => 'answer' | 'break' | 'silence') | undefined
  backend!: ScriptedMongo
  readonly #open = new Map<string, Document[]>()
  readonly #written = new Map<string, Document>()

  async [Symbol.asyncDispose](): Promise<void> {
    await this.backend.close()
  }

  answer(command: ScriptedCommand): Document | undefined {
    const answer = this.before?.(command) ?? this.#do(command)
    const then = this.after?.(command) ?? 'answer'
    if (then === 'break') this.backend.sockets[command.connection]?.destroy()
    return then === 'answer' ? answer : undefined
  }

  #do(command: ScriptedCommand): Document {
    const { name } = command
    if (name === 'insert') return this.#insert(command)
    if (name === 'find') return { cursor: { id: 0n, ns: 'alpha.t', firstBatch: this.#visible(command) }, ok: 1 }
    if (name === 'commitTransaction') return this.#end(command, (documents) => this.documents.push(...documents))
    if (name === 'abortTransaction') return this.#end(command, () => undefined)
    return { ok: 1 }
  }

  #insert(command: ScriptedCommand): Document {
    const { document, sequences } = command
    const documents = sequences['documents'] ?? (document['documents'] as Document[])
    if (document['autocommit'] === false) return this.#insertOpen(command, documents)
    if (document['txnNumber'] === undefined) return this.#insertNow(documents)
    const id = idOf(document)
    const known = this.#written.get(id)
    if (known !== undefined) return known
    const answer = this.#insertNow(documents)
    this.#written.set(id, answer)
    return answer
  }

  #insertNow(documents: readonly Document[]): Document {
    this.documents.push(...documents)
    return { n: documents.length, ok: 1 }
  }

  #insertOpen({ document }: ScriptedCommand, documents: readonly Document[]): Document {
    const id = idOf(document)
    if (document['startTransaction'] === true) this.#open.set(id, [])
    const open = this.#open.get(id)
    if (open === undefined) return noTransaction
    open.push(...documents)
    return { n: documents.length, ok: 1 }
  }

  #visible({ document }: ScriptedCommand): Document[] {
    if (document['startTransaction'] === true) this.#open.set(idOf(document), [])
    return [...this.documents, ...(this.#open.get(idOf(document)) ?? [])]
  }

  #end({ document }: ScriptedCommand, how: (documents: readonly Document[]) => void): Document {
    const id = idOf(document)
    const known = this.#written.get(id)
    if (known !== undefined) return known
    const open = this.#open.get(id)
    if (open === undefined) return noTransaction
    how(open)
    this.#open.delete(id)
    this.#written.set(id, { ok: 1 })
    return { ok: 1 }
  }
}

const noTransaction: Document = { ok: 0, code: 251, codeName: 'NoSuchTransaction', errmsg: 'no such transaction' }

/** Session and number: what a transaction or a retryable write is known by. */
function idOf(document: Document): string {
  const lsid = document['lsid'] as Document | undefined
  const number = document['txnNumber'] as unknown
  return `${lsid === undefined ? '' : Buffer.from(BSON.serialize(lsid)).toString('hex')} ${String(number)}`
}

/** Of a server that is no member of a replica set. */
export const standaloneHello: Document = { isWritablePrimary: true, minWireVersion: 0, maxWireVersion: 21, ok: 1 }

export async function store(hello: Document = replicaSetHello): Promise<Store> {
  const made = new Store()
  made.backend = await mongoScript((command) =>
    /^(hello|ismaster)$/i.test(command.name) ? hello : made.answer(command),
  )
  return made
}
