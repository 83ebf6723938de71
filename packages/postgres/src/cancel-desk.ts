import type { Disposer, Peers } from '@proxy/kernel'
import type { CancelKey } from './wire.ts'

/** Cancels the session of a key, when it knows it. */
export type CancelHandler = (key: CancelKey) => Promise<void>

/** A cancel key on its way between workers. */
interface CancelMessage {
  readonly pid: number
  /** Hexadecimal. */
  readonly secret: string
}

/** Name of the desk among the shared state of a gateway, and of its messages between workers. */
export const cancelTopic = 'postgresql:cancel'

/**
 * One gateway process may run several `postgres()`: a listener each, or an old and a new configuration. A request that
 * comes to any of them is for the session of any of them, so they share a desk.
 */
export class CancelDesk {
  readonly #handlers: Set<CancelHandler> = new Set()
  #unanswer: Disposer | undefined

  join(peers: Peers, handler: CancelHandler): Disposer {
    this.#unanswer ??= peers.answer(cancelTopic, (message) => this.#cancelHere(parse(message)))
    this.#handlers.add(handler)
    return () => this.#leave(handler)
  }

  /**
   * Cancels the session of a key that `worker` gave out, of another machine when `node` names it. A worker that is gone has no
   * sessions any more.
   */
  async cancel(peers: Peers, worker: number, key: CancelKey, node?: number): Promise<void> {
    if (worker === peers.self && node === undefined) return this.#cancelHere(key)
    const message: CancelMessage = { pid: key.pid, secret: key.secret.toString('hex') }
    await peers.request(worker, cancelTopic, message, node).catch(() => undefined)
  }

  async #cancelHere(key: CancelKey): Promise<void> {
    await Promise.all(Array.from(this.#handlers, (handle) => handle(key)))
  }

  #leave(handler: CancelHandler): void {
    this.#handlers.delete(handler)
    if (this.#handlers.size > 0) return
    this.#unanswer?.()
    this.#unanswer = undefined
  }
}

function parse(message: unknown): CancelKey {
  const { pid, secret } = message as CancelMessage
  return { pid, secret: Buffer.from(secret, 'hex') }
}
