import type { Disposer, Peers } from '@proxy/kernel'
import type { Machines } from './machines.ts'

/** What goes over the channel between two processes; survives JSON. */
export interface Envelope {
  readonly gateway: 'request' | 'answer' | 'failure'
  readonly id: number
  readonly from: number
  readonly to: number
  readonly topic: string
  readonly body: unknown
}

type Handler = (message: unknown, from: number) => unknown

interface Waiting {
  readonly to: number
  readonly resolve: (body: unknown) => void
  readonly reject: (error: Error) => void
  readonly timer: NodeJS.Timeout
}

const defaultTimeoutMs = 5_000

export const isEnvelope = (message: unknown): message is Envelope =>
  typeof message === 'object' && message !== null && 'gateway' in message

/** One process's end of the conversation between the processes of a gateway. The primary is peer 0. */
export class PeerLink implements Peers {
  readonly self: number
  /** undefined: this machine is alone. */
  machines: Machines | undefined
  readonly #send: (envelope: Envelope) => boolean
  readonly #handlers = new Map<string, Handler>()
  readonly #waiting = new Map<number, Waiting>()
  #nextId = 1

  /** `send` puts an envelope on its way; false when its receiver is not there. */
  constructor(self: number, send: (envelope: Envelope) => boolean) {
    this.self = self
    this.#send = send
  }

  get node(): number | undefined {
    return this.machines?.node
  }

  request(peer: number, topic: string, message: unknown, node?: number): Promise<unknown> {
    if (node === undefined || node === this.node) return this.ask(peer, topic, message, defaultTimeoutMs)
    return this.machines?.request(node, peer, topic, message) ?? Promise.reject(new Error(`there is no node ${node}`))
  }

  others(topic: string, message: unknown): Promise<readonly unknown[]> {
    return this.machines?.others(topic, message) ?? Promise.resolve([])
  }

  /** `request` with a deadline of its own, in milliseconds. */
  ask(peer: number, topic: string, message: unknown, timeoutMs: number): Promise<unknown> {
    const id = this.#nextId++
    const { promise, resolve, reject } = Promise.withResolvers<unknown>()
    const timer = setTimeout(() => this.#fail(id, `peer ${peer} did not answer ${topic} in time`), timeoutMs)
    timer.unref()
    this.#waiting.set(id, { to: peer, resolve, reject, timer })
    const envelope: Envelope = { gateway: 'request', id, from: this.self, to: peer, topic, body: message }
    if (peer === this.self) this.receive(envelope)
    else if (!this.#send(envelope)) this.#fail(id, `there is no peer ${peer}`)
    return promise
  }

  answer(topic: string, handler: Handler): Disposer {
    this.#handlers.set(topic, handler)
    return () => {
      if (this.#handlers.get(topic) === handler) this.#handlers.delete(topic)
    }
  }

  /** Takes an envelope that is addressed to this process. */
  receive(envelope: Envelope): void {
    if (envelope.gateway === 'request') void this.#serve(envelope)
    else if (envelope.gateway === 'answer') this.#take(envelope.id)?.resolve(envelope.body)
    else this.#fail(envelope.id, String(envelope.body))
  }

  /** The process of a peer is gone: nobody waits for it any longer. */
  forget(peer: number): void {
    for (const [id, { to }] of this.#waiting) if (to === peer) this.#fail(id, `peer ${peer} is gone`)
  }

  async #serve(request: Envelope): Promise<void> {
    const reply = { id: request.id, from: this.self, to: request.from, topic: request.topic }
    try {
      const handler = this.#handlers.get(request.topic)
      if (handler === undefined) throw new Error(`peer ${this.self} does not answer ${request.topic}`)
      this.#reply({ ...reply, gateway: 'answer', body: await handler(request.body, request.from) })
    } catch (error) {
      this.#reply({ ...reply, gateway: 'failure', body: error instanceof Error ? error.message : String(error) })
    }
  }

  #reply(envelope: Envelope): void {
    if (envelope.to === this.self) this.receive(envelope)
    else this.#send(envelope)
  }

  #take(id: number): Waiting | undefined {
    const waiting = this.#waiting.get(id)
    if (waiting === undefined) return undefined
    this.#waiting.delete(id)
    clearTimeout(waiting.timer)
    return waiting
  }

  #fail(id: number, message: string): void {
    this.#take(id)?.reject(new Error(message))
  }
}
