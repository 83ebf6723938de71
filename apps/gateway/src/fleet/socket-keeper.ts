import { bindSocket, type SocketHandle } from './bind-socket.ts'
import { type PeerLink } from './peer-link.ts'
import { type SocketAnswer, type SocketMessage, type SocketRelease, type SocketRequest, topics } from './plan.ts'

/** The processes of the workers. */
export interface Holders {
  /** undefined: there is none at present. */
  pidOf(worker: number): number | undefined
  give(worker: number, message: SocketMessage, handle: SocketHandle): void
}

interface Hold {
  readonly worker: number
  readonly pid: number
  /** The process's own number for it. */
  readonly id: number
}

interface SharedSocket {
  readonly host: string
  readonly port: number
  readonly handle: SocketHandle
  holds: Hold[]
}

/**
 * The sockets that the workers listen on, in the primary process: it binds them, takes no connection from them, and closes one
 * when no worker listens on it. So a connection that waits for a worker which dies is taken by another one, or by the one
 * that is started in its place.
 */
export class SocketKeeper {
  readonly #workers: Holders
  readonly #sockets: Set<SharedSocket> = new Set()

  constructor(peers: PeerLink, workers: Holders) {
    this.#workers = workers
    peers.answer(topics.socket, (request, from) => this.#take(from, request as SocketRequest))
    peers.answer(topics.release, (release) => this.#release(release as SocketRelease))
  }

  /** A worker serves: what the process before it left to it, and it did not ask for, nobody needs. */
  opened(worker: number): void {
    const pid = this.#workers.pidOf(worker)
    this.#drop((hold) => hold.worker === worker && hold.pid !== pid)
  }

  /** The process of a worker is gone. What it alone listened on waits for its successor, if there will be one. */
  exited(worker: number, replaced: boolean): void {
    const isIts = (hold: Hold): boolean => hold.worker === worker
    this.#drop(isIts, (socket) => replaced && socket.holds.every(isIts))
  }

  #take(worker: number, request: SocketRequest): SocketAnswer {
    const { pid, id } = request
    // Said by a process that has died since.
    if (this.#workers.pidOf(worker) !== pid) return { code: 'ECANCELED' }
    try {
      const socket = this.#find(request) ?? this.#bind(request)
      socket.holds.push({ worker, pid, id })
      this.#workers.give(worker, { socket: id }, socket.handle)
      return {}
    } catch (error) {
      return { code: (error as NodeJS.ErrnoException).code ?? 'EIO' }
    }
  }

  /** Workers ask for the same sockets in the same order, which tells those of port 0 apart. */
  #find({ host, port, pid }: SocketRequest): SharedSocket | undefined {
    for (const socket of this.#sockets) {
      if (socket.host === host && socket.port === port && socket.holds.every((hold) => hold.pid !== pid)) return socket
    }
    return undefined
  }

  #bind({ host, port }: SocketRequest): SharedSocket {
    const socket: SharedSocket = { host, port, handle: bindSocket(host, port), holds: [] }
    this.#sockets.add(socket)
    return socket
  }

  #release({ pid, id }: SocketRelease): void {
    this.#drop((hold) => hold.pid === pid && hold.id === id)
  }

  #drop(drops: (hold: Hold) => boolean, spares: (socket: SharedSocket) => boolean = () => false): void {
    for (const socket of this.#sockets) {
      if (spares(socket)) continue
      socket.holds = socket.holds.filter((hold) => !drops(hold))
      if (socket.holds.length > 0) continue
      this.#sockets.delete(socket)
      socket.handle.close()
    }
  }
}
