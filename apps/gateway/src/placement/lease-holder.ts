import { GatewayError, type Metadata, type Resolver } from '@proxy/kernel'
import type { Activity } from './wire.ts'

interface Connected {
  readonly key: string
  readonly metadata: Metadata
  count: number
}

/** One stand-in in one worker: what it has under way, and what is to be undone when the worker dies. */
export class LeaseHolder {
  readonly id: number
  readonly worker: number
  readonly #resolver: Resolver
  readonly #calls = new Map<number, AbortController>()
  /** By key and metadata; as many as the worker has sessions at most. */
  readonly #connected = new Map<string, Connected>()

  constructor(id: number, worker: number, resolver: Resolver) {
    this.id = id
    this.worker = worker
    this.#resolver = resolver
  }

  async call<T>(call: number, work: (signal: AbortSignal) => T | Promise<T>): Promise<T> {
    const abort = new AbortController()
    this.#calls.set(call, abort)
    try {
      return await work(abort.signal)
    } finally {
      this.#calls.delete(call)
    }
  }

  abort(call: number): void {
    this.#calls.get(call)?.abort(new GatewayError('PROXY_CLIENT_GONE'))
  }

  take({ key, metadata, tracked, connected, disconnected }: Activity): void {
    if (tracked) this.#resolver.track?.(key, metadata)
    for (let i = 0; i < connected; i++) this.#connect(key, metadata)
    for (let i = 0; i < disconnected; i++) this.#disconnect(key, metadata)
  }

  /** The worker gave it back, or is gone. */
  end(): void {
    for (const call of this.#calls.keys()) this.abort(call)
    for (const { key, metadata, count } of this.#connected.values()) {
      for (let i = 0; i < count; i++) this.#resolver.onDisconnect?.(key, metadata)
    }
    this.#connected.clear()
  }

  #connect(key: string, metadata: Metadata): void {
    const id = idOf(key, metadata)
    const known = this.#connected.get(id)
    if (known === undefined) this.#connected.set(id, { key, metadata, count: 1 })
    else known.count++
    this.#resolver.onConnect?.(key, metadata)
  }

  #disconnect(key: string, metadata: Metadata): void {
    const id = idOf(key, metadata)
    const known = this.#connected.get(id)
    if (known === undefined) return
    if (--known.count === 0) this.#connected.delete(id)
    this.#resolver.onDisconnect?.(key, metadata)
  }
}

const idOf = (key: string, metadata: Metadata): string => JSON.stringify([key, metadata])
