import { randomInt } from 'node:crypto'
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

/** Shared by the machines of a cluster that have no number of their own in four bits. */
const sharedNode = 15

export interface IdOwner {
  readonly node: number
  readonly worker: number
}

/** This process, by the number that its machine has at the moment. */
export function ownerHere(node: number | undefined, peers: Peers): IdOwner {
  return { node: node ?? Math.min(peers.node ?? 0, sharedNode), worker: peers.self }
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
  readonly caller: Caller
}

/** Who has logged in, as far as a client says it again on its next connection. */
export interface Caller {
  readonly user: string
  readonly host: string
}

/** Name of the desk among the shared state of a gateway, and of its messages between workers. */
export const connectionsTopic = 'mysql:connections'
const tenantsTopic = 'mysql:tenants'
/** Workers that are asked for a caller's sessions: those that are not there say so at once. */
const mostWorkers = 32

/** Asked for by a KILL. */
export type Target = Pick<Connection, 'id' | 'tenant' | 'address'>

/** Every session of one gateway process, whichever of its `mysql()` serves it. */
export class Connections {
  readonly #live: Map<number, Connection> = new Map()
  readonly #byCaller: Map<string, Set<Connection>> = new Map()
  // Ids of a session that is gone, or of another machine of the same number, are then none of ours.
  #counter: number = randomInt(1 << countedBits)
  #members = 0
  #unanswer: readonly Disposer[] = []

  get size(): number {
    return this.#live.size
  }

  join(peers: Peers): Disposer {
    if (this.#members === 0) {
      this.#unanswer = [
        peers.answer(connectionsTopic, (message) => this.#find(message as Target) ?? null),
        peers.answer(tenantsTopic, (message) => this.#tenantsOf(message as Caller)),
      ]
    }
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
    const name = nameOf(connection.caller)
    const others = this.#byCaller.get(name)
    if (others === undefined) this.#byCaller.set(name, new Set([connection]))
    else others.add(connection)
  }

  forget(connection: Connection): void {
    this.#live.delete(connection.id)
    const name = nameOf(connection.caller)
    const others = this.#byCaller.get(name)
    others?.delete(connection)
    if (others?.size === 0) this.#byCaller.delete(name)
  }

  /**
   * The tenant of all sessions of a caller; undefined when there are none, or of several tenants. The programs `mysql` and `mariadb` end
   * a statement (Ctrl-C) by a KILL on a new connection, for which they name no database.
   */
  async onlyTenantOf(peers: Peers, caller: Caller): Promise<string | undefined> {
    const workers = Array.from({ length: mostWorkers }, (_, worker) => this.#askTenants(peers, worker, caller))
    const answers = await Promise.all([...workers, this.#askMachines(peers, caller)])
    const tenants = new Set([...this.#tenantsOf(caller), ...answers.flat()])
    return tenants.size === 1 ? tenants.values().next().value : undefined
  }

  /**
   * What the server calls the session of an id; undefined when it is none of this tenant's on this server, whoever's else it
   * may be. A worker that is gone has no sessions any more.
   */
  find(peers: Peers, self: IdOwner, target: Target): number | undefined | Promise<number | undefined> {
    const owner = ownerOf(target.id)
    if (owner === undefined) return undefined
    const here = owner.node === self.node
    if (here && owner.worker === (self.worker & 0xff)) return this.#find(target)
    if (!here && !reaches(peers, self, owner)) return undefined
    return peers.request(owner.worker, connectionsTopic, target, here ? undefined : owner.node).then(
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
    for (const unanswer of this.#unanswer) unanswer()
  }

  async #askTenants(peers: Peers, worker: number, caller: Caller): Promise<readonly string[]> {
    if (worker === peers.self) return []
    return tenantNames(await peers.request(worker, tenantsTopic, caller).catch(() => undefined))
  }

  async #askMachines(peers: Peers, caller: Caller): Promise<readonly string[]> {
    const answers = await peers.others?.(tenantsTopic, caller).catch(() => undefined)
    return (answers ?? []).flatMap(tenantNames)
  }

  /** At most two: that is one too many already. */
  #tenantsOf(caller: Caller): readonly string[] {
    const tenants = new Set<string>()
    for (const { tenant } of this.#byCaller.get(nameOf(caller)) ?? []) {
      if (tenants.add(tenant).size > 1) break
    }
    return [...tenants]
  }
}

/** Whether the machine of an id can be asked: the numbers are those of the cluster, and its own alone. */
function reaches(peers: Peers, self: IdOwner, owner: IdOwner): boolean {
  if (peers.node === undefined || Math.min(peers.node, sharedNode) !== self.node) return false
  return owner.node !== sharedNode
}

function tenantNames(answer: unknown): readonly string[] {
  return Array.isArray(answer) ? answer.filter((name) => typeof name === 'string') : []
}

function nameOf({ user, host }: Caller): string {
  return `${host} ${user}`
}

/** The address of the very server that an upstream is connected to. */
export function addressOf({ peer }: Upstream): string {
  return `${peer.host} ${peer.port}`
}
