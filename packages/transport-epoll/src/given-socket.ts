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

  /** The bytes are borrowed for the call; a string is latin1. */
  write(bytes: Uint8Array | string): boolean {
    return typeof bytes === 'string' ? this.#socket.write(bytes, 'latin1') : this.#socket.write(Buffer.from(bytes))
  }

  end(): void {
    this.#socket.end()
  }

  destroy(reset: boolean): void {
    if (reset) this.#socket.resetAndDestroy()
    else this.#socket.destroy()
  }
}
