const tailLength = 16

/** Who spoke last in a relayed conversation, and the end of what the backend said. */
export class LastWords {
  #clientSpokeLast = true
  #tail: Buffer | undefined = undefined

  note(ofClient: boolean, bytes: Buffer): void {
    this.#clientSpokeLast = ofClient
    if (ofClient) return
    const tail = (this.#tail ??= Buffer.alloc(tailLength))
    const keep = Math.min(bytes.length, tailLength)
    if (keep < tailLength) tail.copyWithin(0, keep)
    // For so few bytes the call of a copy costs more than the bytes.
    const from = bytes.length - tailLength
    for (let at = tailLength - keep; at < tailLength; at++) tail[at] = bytes[from + at]!
  }

  /** The last bytes of the backend, if the client has been silent since. */
  get ofBackend(): Buffer | undefined {
    return this.#clientSpokeLast ? undefined : this.#tail
  }
}
