import type { SocketHandle } from './bind-socket.ts'
import { type PeerLink } from './peer-link.ts'
import { type SocketAnswer, type SocketMessage, type SocketRequest, type SocketUse, topics } from './plan.ts'
import { type Hold, type Lender, SocketGroup } from './socket-group.ts'

/** The processes of the workers. */
export interface Holders {
  /** undefined: there is none at present. */
  pidOf(worker: number): number | undefined
  /** Tells a worker, and sends it the socket. */
  give(worker: number, message: SocketMessage, handle: SocketHandle): void
}

/**
 * The sockets that the workers listen on, in the primary process: it binds them, takes no connection from them, and closes those of an
 * address when no worker listens there. So a connection that waits for a worker which dies is taken by another one, or by the one
 * that is started in its place.
 */
export class SocketKeeper {
  readonly #workers: Holders
  readonly #lender: Lender
  readonly #groups: Set<SocketGroup> = new Set()

  constructor(peers: PeerLink, workers: Holders) {
    this.#workers = workers
    this.#lender = {
      lend: ({ id, to }, handle) => workers.give(to.worker, { socket: to.id, loan: id }, handle),
      // One that has died has given it back.
      recall: ({ id, to }) => void peers.request(to.worker, topics.recall, id).catch(() => undefined),
    }
    peers.answer(topics.socket, (request, from) => this.#take(from, request as SocketRequest))
    peers.answer(topics.listening, (use) => this.#listening(use as SocketUse))
    peers.answer(topics.release, (use) => this.#release(use as SocketUse))
  }

  /** A worker serves: what the process before it left to it, and it did not ask for, nobody needs. */
  opened(worker: number): void {
    const pid = this.#workers.pidOf(worker)
    this.#drop((hold) => hold.worker === worker && hold.pid !== pid)
  }

  /** The process of a worker is gone. What it alone listened on waits for its successor, if there will be one. */
  exited(worker: number, replaced: boolean): void {
    const isIts = (hold: Hold): boolean => hold.worker === worker
    for (const { holds } of this.#groups) for (const hold of holds) if (isIts(hold)) hold.listening = false
    this.#drop(isIts, ({ joinable, holds }) => replaced && joinable && holds.every(isIts))
  }

  async #take(worker: number, request: SocketRequest): Promise<SocketAnswer> {
    const { pid, id } = request
    const joinable = await this.#joinable(request)
    // Said by a process that has died since.
    if (this.#workers.pidOf(worker) !== pid) return { code: 'ECANCELED' }
    try {
      const group = joinable ?? this.#open(worker, request)
      const { seat } = group.hold(worker, pid, id)
      this.#workers.give(worker, { socket: id }, seat.handle)
      return {}
    } catch (error) {
      return { code: (error as NodeJS.ErrnoException).code ?? 'EIO' }
    }
  }

  /** Until one of its sockets listens, nobody knows whether the address can be had: it may be another program's. */
  async #joinable(request: SocketRequest): Promise<SocketGroup | undefined> {
    let group = this.#find(request)
    while (group?.joinable === false) {
      await group.decided
      group = this.#find(request)
    }
    return group
  }

  /** Workers ask for the same sockets in the same order, which tells those of port 0 apart. */
  #find({ host, port, reusePort, pid }: SocketRequest): SocketGroup | undefined {
    for (const group of this.#groups) {
      const { address, holds } = group
      const same = address.host === host && address.port === port && address.reusePort === reusePort
      if (same && holds.every((hold) => hold.pid !== pid)) return group
    }
    return undefined
  }

  #open(worker: number, { host, port, reusePort }: SocketRequest): SocketGroup {
    const group = new SocketGroup({ host, port, reusePort }, worker, this.#lender)
    this.#groups.add(group)
    return group
  }

  #listening({ pid, id }: SocketUse): void {
    for (const group of this.#groups) {
      const hold = group.holds.find((candidate) => candidate.pid === pid && candidate.id === id)
      if (hold !== undefined) group.listens(hold)
    }
  }

  #release({ pid, id }: SocketUse): void {
    this.#drop((hold) => hold.pid === pid && hold.id === id)
  }

  #drop(drops: (hold: Hold) => boolean, spares: (group: SocketGroup) => boolean = () => false): void {
    for (const group of this.#groups) {
      if (spares(group)) continue
      group.drop(drops)
      if (group.holds.length > 0) continue
      this.#groups.delete(group)
      group.close()
    }
  }
}
