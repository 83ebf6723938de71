import type { Binding } from '@proxy/kernel'
import type { SocketHandle } from './bind-socket.ts'
import type { PeerLink } from './peer-link.ts'
import { type SocketAnswer, type SocketMessage, type SocketRequest, type SocketUse, topics } from './plan.ts'

/** A bound socket of this worker's, which the primary process has too. */
export interface BorrowedSocket {
  readonly fd: number
  /** It is listened on, and `listen` does so on those of workers that are away. Settles when the primary process knows. */
  listening(listen: Listen): Promise<void>
  /** Settles when it is closed here, and everywhere if nobody else has it. */
  release(): Promise<void>
}

/** Listens on one more descriptor, which stays the caller's. */
export type Listen = (fd: number) => Promise<Binding>

export type SocketPlace = Pick<SocketRequest, 'host' | 'port' | 'reusePort'>

interface Loan {
  /** Of the request. */
  readonly socket: number
  readonly handle: SocketHandle
  readonly binding: Promise<Binding | undefined>
}

const primary = 0
const timeoutMs = 60_000

/** A worker's end of the sockets that the primary process keeps. */
export class BorrowedSockets {
  readonly #peers: PeerLink
  /** By the number of the request: undefined until it has come. */
  readonly #arriving: Map<number, SocketHandle | undefined> = new Map()
  /** By the number of the request. */
  readonly #listening: Map<number, Listen> = new Map()
  /** By their own number. */
  readonly #loans: Map<number, Loan> = new Map()
  #nextId = 1

  constructor(peers: PeerLink) {
    this.#peers = peers
    peers.answer(topics.recall, (loan) => this.#giveBack(loan as number))
  }

  /** Takes what came beside a message; it comes ahead of the answer to the request. */
  arrived({ socket, loan }: SocketMessage, handle: SocketHandle | undefined): void {
    if (loan !== undefined) this.#lent(loan, socket, handle)
    else if (this.#arriving.has(socket)) this.#arriving.set(socket, handle)
    else handle?.close()
  }

  /** Rejects with the system's error. */
  async borrow(place: SocketPlace): Promise<BorrowedSocket> {
    const id = this.#nextId++
    this.#arriving.set(id, undefined)
    const request: SocketRequest = { pid: process.pid, id, ...place }
    try {
      const { code } = (await this.#peers.ask(primary, topics.socket, request, timeoutMs)) as SocketAnswer
      if (code !== undefined) throw refusal(code, place)
      const handle = this.#arriving.get(id)
      if (handle === undefined) throw new Error('the primary process sent no socket')
      return this.#borrowed(id, handle)
    } catch (error) {
      void this.#release(id, this.#arriving.get(id))
      throw error
    } finally {
      this.#arriving.delete(id)
    }
  }

  #borrowed(id: number, handle: SocketHandle): BorrowedSocket {
    const listening = async (listen: Listen): Promise<void> => {
      this.#listening.set(id, listen)
      await this.#tell(topics.listening, id)
    }
    return { fd: handle.fd, listening, release: () => this.#release(id, handle) }
  }

  #lent(loan: number, socket: number, handle: SocketHandle | undefined): void {
    const listen = this.#listening.get(socket)
    // Released in the meantime, as the primary process will hear.
    if (handle === undefined || listen === undefined) return handle?.close()
    // Its own socket is listened on: this one can be too, and if not it waits for its worker.
    const binding = listen(handle.fd).catch(() => undefined)
    this.#loans.set(loan, { socket, handle, binding })
  }

  async #giveBack(id: number): Promise<void> {
    const loan = this.#loans.get(id)
    if (loan === undefined) return
    this.#loans.delete(id)
    await (await loan.binding)?.close()
    loan.handle.close()
  }

  async #release(id: number, handle: SocketHandle | undefined): Promise<void> {
    this.#listening.delete(id)
    const loans = [...this.#loans].filter(([, { socket }]) => socket === id)
    await Promise.all(loans.map(([loan]) => this.#giveBack(loan)))
    handle?.close()
    await this.#tell(topics.release, id)
  }

  async #tell(topic: string, id: number): Promise<void> {
    const use: SocketUse = { pid: process.pid, id }
    // Without a primary this process ends too.
    await this.#peers.ask(primary, topic, use, timeoutMs).catch(() => undefined)
  }
}

function refusal(code: string, { host: address, port }: SocketPlace): Error {
  return Object.assign(new Error(`bind ${code} ${address}:${port}`), { code, syscall: 'bind', address, port })
}
