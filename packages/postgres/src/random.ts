import { randomFillSync } from 'node:crypto'

const poolBytes = 8_192

/** Random bytes from a stock: asking the system for a few at a time costs more than all the rest of minting a key. */
export class RandomBytes {
  readonly #pool: Buffer = Buffer.allocUnsafeSlow(poolBytes)
  #used: number = poolBytes

  /** The next `length` bytes (at most 8,192), as latin1 text. They are forgotten here. */
  take(length: number): string {
    if (this.#used + length > poolBytes) this.#refill()
    const end = this.#used + length
    const text = this.#pool.toString('latin1', this.#used, end)
    this.#pool.fill(0, this.#used, end)
    this.#used = end
    return text
  }

  /** A number of 16 bits. */
  uint16(): number {
    const text = this.take(2)
    return (text.charCodeAt(0) << 8) | text.charCodeAt(1)
  }

  #refill(): void {
    randomFillSync(this.#pool)
    this.#used = 0
  }
}
