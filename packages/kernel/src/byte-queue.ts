const EMPTY: Buffer = Buffer.alloc(0)

/**
 * Bytes that were received and not consumed yet, contiguous. Views handed out stay valid: bytes are only ever appended,
 * and a store that is out of room is left to its views.
 */
export class ByteQueue {
  #store: Buffer = EMPTY
  #start = 0
  #end = 0

  get length(): number {
    return this.#end - this.#start
  }

  /** Copies `bytes`, which may be borrowed. Growth doubles, so that single-byte reads cost linear time. */
  append(bytes: Uint8Array): void {
    const needed = this.length + bytes.length
    if (this.#end + bytes.length > this.#store.length) this.#move(this.length === 0 ? needed : needed * 2)
    this.#store.set(bytes, this.#end)
    this.#end += bytes.length
  }

  view(length: number = this.length): Buffer {
    return this.#store.subarray(this.#start, this.#start + length)
  }

  /** Removes and returns the first bytes. */
  take(length: number = this.length): Buffer {
    const taken = this.view(length)
    this.#start += length
    if (this.length === 0) this.#release()
    return taken
  }

  #move(capacity: number): void {
    const store = Buffer.allocUnsafe(capacity)
    const length = this.length
    this.#store.copy(store, 0, this.#start, this.#end)
    this.#store = store
    this.#start = 0
    this.#end = length
  }

  #release(): void {
    this.#store = EMPTY
    this.#start = 0
    this.#end = 0
  }
}
