import type { Link, LinkHandler } from '@proxy/kernel'

/** After a 101: bytes both ways, whatever they mean. Half-close and backpressure are passed on; there is no idle timeout. */
export class Tunnel implements LinkHandler {
  readonly #client: Link
  readonly #backend: Link
  readonly #done: () => void
  #open = 2

  /** `clientBytes` arrived before the switch. `done` is called when both ends are closed. */
  constructor(client: Link, backend: Link, clientBytes: Buffer | undefined, done: () => void) {
    this.#client = client
    this.#backend = backend
    this.#done = done
    client.attach(this)
    backend.attach(this)
    if (clientBytes !== undefined) backend.write(clientBytes)
    client.resume()
    backend.resume()
  }

  /** One end is gone, the other has had time to take what was queued for it. */
  get lingers(): boolean {
    return this.#open === 1
  }

  destroy(): void {
    this.#client.destroy(true)
    this.#backend.destroy(true)
  }

  onData(link: Link, bytes: Buffer): void {
    if (!this.#other(link).write(bytes)) link.pause()
  }

  onDrain(link: Link): void {
    this.#other(link).resume()
  }

  onEnd(link: Link): void {
    this.#other(link).end()
  }

  onClose(link: Link, error: Error | undefined): void {
    const other = this.#other(link)
    if (error === undefined) other.end()
    else other.destroy(true)
    other.resume()
    if (--this.#open === 0) this.#done()
  }

  #other(link: Link): Link {
    return link === this.#client ? this.#backend : this.#client
  }
}
