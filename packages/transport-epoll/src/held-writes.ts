import { type Block, block } from './memory.ts'

/** Whose writes are held. */
export interface Holder {
  /** Sends them now. Calls nobody who could write. */
  sendHeld(from: Block, start: number, length: number): void
}

/** Larger writes are worth a system call of their own. */
const MOST_BYTES = 4_096
const MOST_HELD = 16

/**
 * Small writes made while a batch of events is dealt with. They are held until there are 16 or the batch is over, and then sent
 * back to back: a third of a send is waking a peer that sleeps, and while one send follows the other it is awake already.
 */
export class HeldWrites {
  readonly #block = block(MOST_HELD * MOST_BYTES)
  readonly #holders: Holder[] = []
  readonly #lengths: number[] = []
  #used = 0
  #batch = false

  begin(): void {
    this.#batch = true
  }

  end(): void {
    this.#batch = false
    this.flush()
  }

  /** Copies the bytes; a string is latin1. False: not between batches, and not so many bytes. */
  take(holder: Holder, bytes: Uint8Array | string): boolean {
    const { length } = bytes
    if (!this.#batch || length > MOST_BYTES) return false
    if (this.#holders.length === MOST_HELD || this.#used + length > this.#block.bytes.length) this.flush()
    if (typeof bytes === 'string') this.#block.bytes.write(bytes, this.#used, 'latin1')
    else this.#block.bytes.set(bytes, this.#used)
    this.#used += length
    this.#note(holder, length)
    return true
  }

  flush(): void {
    let start = 0
    for (let index = 0; index < this.#holders.length; index++) {
      const length = this.#lengths[index] as number
      this.#holders[index]?.sendHeld(this.#block, start, length)
      start += length
    }
    this.#holders.length = 0
    this.#lengths.length = 0
    this.#used = 0
  }

  /** What one writes twice in a row is sent as one. */
  #note(holder: Holder, length: number): void {
    const last = this.#holders.length - 1
    if (last >= 0 && this.#holders[last] === holder) {
      this.#lengths[last] = (this.#lengths[last] as number) + length
      return
    }
    this.#holders.push(holder)
    this.#lengths.push(length)
  }
}
