import { SocketCalls } from '../socket-calls.ts'
import { AF_INET } from '../constants.ts'
import { block } from '../memory.ts'
import { openSocket } from '../sockets.ts'
import { loadSystem } from '../system.ts'

const MSG_OOB = 1
const SHUT_WR = 1

const calls = new SocketCalls(loadSystem())
const scratch = block(64)

/** A socket whose calls are made at once, between two turns of the loop. It is closed by who opened it. */
export class RawSocket {
  readonly #fd: number

  constructor(fd: number = openSocket(calls, AF_INET)) {
    this.#fd = fd
  }

  /** Listens on a free port of all addresses, and gives it. */
  listen(): number {
    calls.bind(this.#fd, { host: '0.0.0.0', port: 0 })
    calls.system.listen(this.#fd, 8)
    return calls.localAddress(this.#fd)?.port ?? 0
  }

  accept(): RawSocket {
    const fd = calls.accept(this.#fd)
    if (fd < 0) throw new Error('nobody has connected')
    return new RawSocket(fd)
  }

  connect(port: number): void {
    calls.connect(this.#fd, { host: '127.0.0.1', port })
  }

  send(text: string): void {
    calls.send(this.#fd, Buffer.from(text))
  }

  sendUrgent(byte: string): void {
    scratch.bytes.write(byte)
    calls.system.send(this.#fd, scratch.address, 1, MSG_OOB)
  }

  end(): void {
    calls.system.shutdown(this.#fd, SHUT_WR)
  }

  close(): void {
    calls.system.close(this.#fd)
  }
}
