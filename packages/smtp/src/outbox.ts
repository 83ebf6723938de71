import type { Link } from '@proxy/kernel'

/** Sends what is written while others are being read as one: pipelined commands, and the replies to them. */
export class Outbox {
  readonly #link: Link
  #parts: Buffer[] = []
  #holding = false

  constructor(link: Link) {
    this.#link = link
  }

  /** False: the link has had enough. What is held back is written by `release`, before the bytes are no longer valid. */
  write(bytes: Uint8Array | string): boolean {
    if (!this.#holding) return this.#link.write(bytes)
    this.#parts.push(typeof bytes === 'string' ? Buffer.from(bytes, 'latin1') : (bytes as Buffer))
    return true
  }

  hold(): void {
    this.#holding = true
  }

  /** Sends what was held back. */
  release(): boolean {
    const parts = this.#parts
    this.#holding = false
    if (parts.length === 0) return this.#link.writable
    this.#parts = []
    return this.#link.write(parts.length === 1 ? parts[0]! : Buffer.concat(parts))
  }
}
