import type { Socket } from 'node:net'

/** A socket of Node's that took a link's descriptor over; it closes it. */
export class GivenSocket {
  readonly #socket: Socket
  #error: Error | undefined = undefined

  constructor(socket: Socket, closed: (error: Error | undefined) => void) {
    this.#socket = socket
    socket.on('error', (error) => (this.#error = error))
    socket.once('close', () => closed(this.#error))
  }

  get bytesRead(): number {
    return this.#socket.bytesRead
  }

  get bytesWritten(): number {
    return this.#socket.bytesWritten
  }

  end(): void {
    this.#socket.end()
  }

  destroy(reset: boolean): void {
    if (reset) this.#socket.resetAndDestroy()
    else this.#socket.destroy()
  }
}
