import { timingSafeEqual } from 'node:crypto'
import {
  type Address,
  type Backend,
  type Endpoint,
  backend as toBackend,
  type RelayListener,
  type Upstream,
} from '@proxy/kernel'
import { RandomBytes } from './random.ts'
import { type CancelKey, encodeCancelRequest } from './wire.ts'

/**
 * The process id that a client sees is no process id but an address: who has to be asked to find the session.
 *
 *   0 | node: 8 bits | worker: 10 bits | random: 13 bits
 *
 * The first bit is zero and the random part is not, so it is positive. What keeps a key from being guessed is the secret.
 */
const randomBits = 13
const workerBits = 10

export const maxWorkers: number = 1 << workerBits

/** The node of a gateway that has no number in its cluster yet: its keys are known to itself alone. */
export const noNode = 255

export interface KeyOwner {
  readonly node: number
  readonly worker: number
}

export function ownerOf(pid: number): KeyOwner {
  return { node: pid >>> (workerBits + randomBits), worker: (pid >>> randomBits) & (maxWorkers - 1) }
}

/**
 * A session that may be cancelled, until its relay ends. Secrets are kept as latin1 text: as a slice of Node's buffer pool each would hold
 * on to a whole block of it for as long as the session lives.
 */
export class Cancellable implements RelayListener {
  /** What the client was given. */
  readonly pid: number
  readonly secret: string
  /** What the backend gave. */
  readonly backendPid: number
  readonly backendSecret: string
  readonly backend: Backend
  readonly endpoint: Endpoint
  readonly peer: Address
  readonly tenant: string
  readonly #keys: CancelKeys

  constructor(keys: CancelKeys, given: Pick<Cancellable, 'pid' | 'secret'>, own: CancelKey, upstream: Upstream) {
    this.#keys = keys
    this.pid = given.pid
    this.secret = given.secret
    this.backendPid = own.pid
    this.backendSecret = own.secret.toString('latin1')
    this.backend = upstream.backend
    this.endpoint = upstream.endpoint
    this.peer = upstream.peer
    this.tenant = upstream.key
  }

  relayed(): void {
    this.#keys.forget(this)
  }
}

/** The keys that one worker has given out and whose sessions live. */
export class CancelKeys {
  readonly #owner: KeyOwner
  readonly #sessions: Map<number, Cancellable[]> = new Map()
  readonly #random: RandomBytes = new RandomBytes()

  /** The owner is asked for every key: its node may change. */
  constructor(owner: KeyOwner) {
    this.#owner = owner
  }

  get size(): number {
    let size = 0
    for (const list of this.#sessions.values()) size += list.length
    return size
  }

  /** Mints a key as long as the backend's own: the client is known to take that length. */
  mint(own: CancelKey, upstream: Upstream): Cancellable {
    const given = { pid: this.#ownPart | this.#randomPart(), secret: this.#random.take(own.secret.length) }
    const cancellable = new Cancellable(this, given, own, upstream)
    const list = this.#sessions.get(cancellable.pid)
    if (list === undefined) this.#sessions.set(cancellable.pid, [cancellable])
    else list.push(cancellable)
    return cancellable
  }

  /** The session of a key, found in a time that says nothing about the secrets of others. */
  find({ pid, secret }: CancelKey): Cancellable | undefined {
    let found: Cancellable | undefined
    for (const candidate of this.#sessions.get(pid) ?? []) {
      const expected = Buffer.from(candidate.secret, 'latin1')
      if (expected.length === secret.length && timingSafeEqual(expected, secret)) found = candidate
    }
    return found
  }

  forget(cancellable: Cancellable): void {
    const { pid } = cancellable
    const left = (this.#sessions.get(pid) ?? []).filter((other) => other !== cancellable)
    if (left.length === 0) this.#sessions.delete(pid)
    else this.#sessions.set(pid, left)
  }

  get #ownPart(): number {
    const { node, worker } = this.#owner
    return ((node << workerBits) | (worker & (maxWorkers - 1))) << randomBits
  }

  #randomPart(): number {
    return this.#random.uint16() & ((1 << randomBits) - 1) || 1
  }
}

/** The key that the client was given. */
export function keyOf({ pid, secret }: Cancellable): CancelKey {
  return { pid, secret: Buffer.from(secret, 'latin1') }
}

/** The CancelRequest that the backend understands. */
export function requestFor({ backendPid, backendSecret }: Cancellable): Buffer {
  return encodeCancelRequest({ pid: backendPid, secret: Buffer.from(backendSecret, 'latin1') })
}

/**
 * The backend narrowed to the address that the session is connected to, since another of its servers knows no such key;
 * and in no need of waking, since a session lives on it.
 */
export function exactBackend({ backend, endpoint, peer }: Cancellable): Backend {
  if (backend.endpoints.length === 1 && endpoint.host === peer.host && backend.state === 'ready') return backend
  const tls = backend.tls && { ...backend.tls, serverName: backend.tls.serverName ?? endpoint.host }
  return toBackend({ ...backend, endpoints: [{ host: peer.host, port: peer.port }], state: 'ready', tls })
}
