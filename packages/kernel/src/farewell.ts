import type { Clock, Disposer, Link, LinkHandler } from './contracts.ts'

/** How long a client may take to read the last bytes and close. */
export const lingerMs = 1_000

/**
 * The end of a link whose session is over: half-close, then drop what the peer still sends until it closes too. Closing
 * at once on unread bytes would make the kernel send a reset, and the peer would lose our last bytes to it.
 */
class Farewell implements LinkHandler {
  readonly #closed: () => void
  readonly #cancel: Disposer

  constructor(link: Link, clock: Clock, closed: () => void) {
    this.#closed = closed
    this.#cancel = clock.after(lingerMs, () => link.destroy())
    link.attach(this)
    // With both directions at their end the transport closes by itself, once our last bytes are out.
    link.end()
    if (!link.ended) link.resume()
  }

  onData(): void {}

  onDrain(): void {}

  onEnd(): void {}

  onClose(): void {
    this.#cancel()
    this.#closed()
  }
}

/** Ends `link` politely; `closed` is called once, when it is. */
export function farewell(link: Link, clock: Clock, closed: () => void): void {
  if (link.closed) closed()
  else new Farewell(link, clock, closed)
}
