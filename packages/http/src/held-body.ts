/** Room that is made at most for bytes to come. */
const maxRoom = 16_384

/**
 * Bytes of a body that wait, in few buffers however small the pieces were in which they came: a buffer for each would be
 * a hundred times what a client has to send for it.
 */
export class HeldBody {
  #whole: Buffer[] = []
  /** The last one, filled up to `#length`. */
  #last: Buffer | undefined = undefined
  #length = 0

  get isEmpty(): boolean {
    return this.#last === undefined
  }

  /** Copies `bytes[start, end)`, which may be borrowed. The first piece gets just the room it needs: mostly it is the only one. */
  push(bytes: Buffer, start: number, end: number): void {
    const last = this.#last
    if (last !== undefined) {
      const fits = Math.min(last.length - this.#length, end - start)
      bytes.copy(last, this.#length, start, start + fits)
      this.#length += fits
      start += fits
      if (start === end) return
      this.#whole.push(last)
    }
    const size = end - start
    const room = last === undefined ? size : Math.max(size, Math.min(last.length * 2, maxRoom))
    this.#last = Buffer.allocUnsafe(room)
    this.#length = bytes.copy(this.#last, 0, start, end)
  }

  /** Removes and returns the first of it, or undefined when it is empty. */
  shift(): Buffer | undefined {
    const first = this.#whole.shift()
    if (first !== undefined) return first
    const last = this.#last?.subarray(0, this.#length)
    this.#last = undefined
    return last
  }
}
