import type { Disposer, Peers, Upstream } from '@proxy/kernel'

/**
 * The connection id that a client is given says who has to be asked to find its session.
 *
 *   01 | node: 4 bits | worker: 8 bits | counted: 18 bits
 *
 * Positive in 32 bits, and far above what a server counts to, so that a server's own ids are not taken for it.
 */
const countedBits = 18
const workerBits = 8
const mark = 1
const markShift = 30

export interface IdOwner {
  readonly node: number
  readonly worker: number
}

/** Who has given out an id; undefined when it is a server's own. */
export function ownerOf(id: number): IdOwner | undefined {
  if (id >>> markShift !== mark) return undefined
  return { node: (id >>> (countedBits + workerBits)) & 0xf, worker: (id >>> countedBits) & 0xff }
}

/** A session that a KILL may be about. */
export interface Connection {
  readonly id: number
  readonly tenant: string
  /** The very server: another one counts its connections apart. */
  readonly address: string
  /** What the server calls it. */
  readonly backendId: number
}

/** Name of the desk among the shared state of a gateway, and of its messages between workers. */
export const connectionsTopic = 'mysql:connections'

/** Asked for by a KILL. */
export type Target = Omit<Connection, 'backendId'>

/** Every session of one gateway process, whichever of its `mysql()` serves it. */
export class Connections {
  readonly #live: Map<number, Connection> = new Map()
  #counter = 0
  #members = 0
  #unanswer: Disposer | undefined

  get size(): number {
    return this.#live.size
  }

  join(peers: Peers): Disposer {
    this.#unanswer ??= peers.answer(connectionsTopic, (message) => this.#find(message as Target) ?? null)
    this.#members++
    return () => this.#leave()
  }

  mint({ node, worker }: IdOwner): number {
    const owner = (((mark << 4) | node) << workerBits) | (worker & 0xff)
    do this.#counter = (this.#counter + 1) & ((1 << countedBits) - 1)
    while (this.#live.has((owner << countedBits) | this.#counter))
    return (owner << countedBits) | this.#counter
  }

  add(connection: Connection): void {
    this.#live.set(connection.id, connection)
  }

  forget({ id }: Connection): void {
    this.#live.delete(id)
  }

  /**
   * What the server calls the session of an id; undefined when it is none of this tenant's on this server, whoever's else it
   * may be. A worker that is gone has no sessions any more.
   */
  find(peers: Peers, self: IdOwner, target: Target): number | undefined | Promise<number | undefined> {
    const owner = ownerOf(target.id)
    if (owner === undefined || owner.node !== self.node) return undefined
    if (owner.worker === (self.worker & 0xff)) return this.#find(target)
    return peers.request(owner.worker, connectionsTopic, target).then(
      (answer) => (typeof answer === 'number' ? answer : undefined),
      () => undefined,
    )
  }

  #find({ id, tenant, address }: Target): number | undefined {
    const found = this.#live.get(id)
    return found?.tenant === tenant && found.address === address ? found.backendId : undefined
  }

  #leave(): void {
    this.#members--
    if (this.#members > 0) return
    this.#unanswer?.()
    this.#unanswer = undefined
  }
}

/** The address of the very server that an upstream is connected to. */
export function addressOf({ peer }: Upstream): string {
  return `${peer.host} ${peer.port}`
}
