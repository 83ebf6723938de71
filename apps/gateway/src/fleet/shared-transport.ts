import { lookup } from 'node:dns/promises'
import { isIP } from 'node:net'
import type { Acceptor, Binding, ConnectOptions, Link, ListenOptions, Transport } from '@proxy/kernel'
import type { BorrowedSockets } from './borrowed-sockets.ts'

/** A worker's transport: it listens on sockets of the primary process. The inner one must be able to listen on a descriptor. */
export class SharedTransport implements Transport {
  readonly name: string
  readonly #inner: Transport
  readonly #sockets: BorrowedSockets
  #before: Promise<unknown> = Promise.resolve()

  constructor(inner: Transport, sockets: BorrowedSockets) {
    this.#inner = inner
    this.#sockets = sockets
    this.name = inner.name
  }

  /** One after the other: the primary process tells sockets of port 0 apart by the order in which they are asked for. */
  listen(options: ListenOptions, acceptor: Acceptor): Promise<Binding> {
    const listening = this.#before.then(() => this.#listen(options, acceptor))
    this.#before = listening.catch(() => undefined)
    return listening
  }

  connect(options: ConnectOptions, signal: AbortSignal): Promise<Link> {
    return this.#inner.connect(options, signal)
  }

  async close(): Promise<void> {
    await this.#inner.close?.()
  }

  async #listen(options: ListenOptions, acceptor: Acceptor): Promise<Binding> {
    const host = isIP(options.host) === 0 ? (await lookup(options.host)).address : options.host
    const { port, reusePort = false } = options
    const socket = await this.#sockets.borrow({ host, port, reusePort })
    const listen = (fd: number): Promise<Binding> =>
      this.#inner.listen({ ...options, host, fd, reusePort: true }, acceptor)
    try {
      const binding = await listen(socket.fd)
      await socket.listening(listen)
      const close = async (): Promise<void> => {
        await binding.close()
        await socket.release()
      }
      return { address: binding.address, close }
    } catch (error) {
      await socket.release()
      throw error
    }
  }
}
