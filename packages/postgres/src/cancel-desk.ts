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

/**
 * One gateway process may run several `postgres()`: a listener each, or an old and a new configuration. A request that
 * comes to any of them is for the session of any of them, so they share one answer to the other workers.
 */
interface Desk {
  readonly handlers: Set<CancelHandler>
  readonly unanswer: Disposer
}

const topic = 'postgresql:cancel'
const desks = new WeakMap<Peers, Desk>()

export function joinDesk(peers: Peers, handler: CancelHandler): Disposer {
  const desk = desks.get(peers) ?? open(peers)
  desk.handlers.add(handler)
  return () => {
    desk.handlers.delete(handler)
    if (desk.handlers.size > 0 || desks.get(peers) !== desk) return
    desks.delete(peers)
    desk.unanswer()
  }
}

function open(peers: Peers): Desk {
  const unanswer = peers.answer(topic, (message) => cancelHere(peers, parse(message)))
  const desk = { handlers: new Set<CancelHandler>(), unanswer }
  desks.set(peers, desk)
  return desk
}

/** Cancels the session of a key that `worker` gave out. A worker that is gone has no sessions any more. */
export async function cancelByPeer(peers: Peers, worker: number, key: CancelKey): Promise<void> {
  if (worker === peers.self) return cancelHere(peers, key)
  const message: CancelMessage = { pid: key.pid, secret: key.secret.toString('hex') }
  await peers.request(worker, topic, message).catch(() => undefined)
}

async function cancelHere(peers: Peers, key: CancelKey): Promise<void> {
  const handlers = desks.get(peers)?.handlers ?? []
  await Promise.all(Array.from(handlers, (handle) => handle(key)))
}

function parse(message: unknown): CancelKey {
  const { pid, secret } = message as CancelMessage
  return { pid, secret: Buffer.from(secret, 'hex') }
}
