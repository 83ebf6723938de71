import type { SocketHandle } from './bind-socket.ts'
import type { PeerLink } from './peer-link.ts'
import { type SocketAnswer, type SocketMessage, type SocketRequest, topics } from './plan.ts'

/** A bound socket that other workers listen on too. */
export interface BorrowedSocket {
  readonly fd: number
  /** Settles when it is closed here, and everywhere if nobody else has it. */
  release(): Promise<void>
}

const primary = 0
const timeoutMs = 60_000

/** A worker's end of the sockets that the primary process keeps. */
export class BorrowedSockets {
  readonly #peers: PeerLink
  /** By the number of the request: undefined until it has come. */
  readonly #arriving: Map<number, SocketHandle | undefined> = new Map()
  #nextId = 1

  constructor(peers: PeerLink) {
    this.#peers = peers
  }

  /** Takes what came beside a message; it comes ahead of the answer to the request. */
  arrived({ socket }: SocketMessage, handle: SocketHandle | undefined): void {
    if (this.#arriving.has(socket)) this.#arriving.set(socket, handle)
    else handle?.close()
  }

  /** Rejects with the system's error. `host` is an IP literal. */
  async borrow(host: string, port: number): Promise<BorrowedSocket> {
    const id = this.#nextId++
    this.#arriving.set(id, undefined)
    const request: SocketRequest = { pid: process.pid, id, host, port }
    try {
      const { code } = (await this.#peers.ask(primary, topics.socket, request, timeoutMs)) as SocketAnswer
      if (code !== undefined) throw refusal(code, host, port)
      const handle = this.#arriving.get(id)
      if (handle === undefined) throw new Error('the primary process sent no socket')
      return { fd: handle.fd, release: () => this.#release(id, handle) }
    } catch (error) {
      void this.#release(id, this.#arriving.get(id))
      throw error
    } finally {
      this.#arriving.delete(id)
    }
  }

  async #release(id: number, handle: SocketHandle | undefined): Promise<void> {
    handle?.close()
    // Without a primary this process ends too.
    await this.#peers.ask(primary, topics.release, { pid: process.pid, id }, timeoutMs).catch(() => undefined)
  }
}

function refusal(code: string, address: string, port: number): Error {
  return Object.assign(new Error(`bind ${code} ${address}:${port}`), { code, syscall: 'bind', address, port })
}
