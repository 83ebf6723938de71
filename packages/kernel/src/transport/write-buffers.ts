/**
 * Buffers of one size for copies of what is being sent: Node's own slab would cost an allocation outside the heap, and its
 * collection, for every few of them. Whoever borrows gives back when the write is done.
 */
export class WriteBuffers {
  readonly size: number
  readonly #mostIdle: number
  readonly #idle: Buffer[] = []

  constructor(size: number, mostIdle: number) {
    this.size = size
    this.#mostIdle = mostIdle
  }

  borrow(): Buffer {
    return this.#idle.pop() ?? Buffer.allocUnsafeSlow(this.size)
  }

  giveBack(buffer: Buffer): void {
    if (this.#idle.length < this.#mostIdle) this.#idle.push(buffer)
  }
}

/** At most 1 MiB of idle ones. */
export const smallBuffers: WriteBuffers = new WriteBuffers(4_096, 256)
/** At most 8 MiB of idle ones. */
export const largeBuffers: WriteBuffers = new WriteBuffers(65_536, 128)
