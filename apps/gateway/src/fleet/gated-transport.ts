import type { Acceptor, Binding, ConnectOptions, Link, ListenOptions, Transport } from '@proxy/kernel'

/**
 * A transport whose listeners, once they have closed, wait at `gate` before they say so. The kernel asks no session to
 * leave before that: the clients of a process that drains come back at once, and must not meet a process that is about to.
 */
export class GatedTransport implements Transport {
  readonly name: string
  readonly #inner: Transport
  /** undefined: nobody to wait for. */
  gate: (() => Promise<void>) | undefined

  constructor(inner: Transport) {
    this.#inner = inner
    this.name = inner.name
  }

  async listen(options: ListenOptions, acceptor: Acceptor): Promise<Binding> {
    const binding = await this.#inner.listen(options, acceptor)
    const close = async (): Promise<void> => {
      await binding.close()
      await this.gate?.()
    }
    return { address: binding.address, close }
  }

  connect(options: ConnectOptions, signal: AbortSignal): Promise<Link> {
    return this.#inner.connect(options, signal)
  }

  async close(): Promise<void> {
    await this.#inner.close?.()
  }
}
