import { randomBytes } from 'node:crypto'
import { RedisLink, type RedisState } from './link.ts'
import { type RedisSource, separate } from './source.ts'
import { Subscription } from './subscription.ts'

export interface BusOptions {
  readonly redis: RedisSource
  readonly prefix: string
  readonly commandTimeoutMs: number
  readonly onState: (state: RedisState, error: Error | undefined) => void
  /** Messages may have been missed: what was learned by them, or because they did not come, is no longer sure. */
  readonly onGap: () => void
}

type Listener = (message: unknown) => void

const longestMessage = 64 * 1_024

/** Two connections to Redis: one for commands, one that listens to channels. */
export class Bus {
  /** Random, for what this instance leaves in Redis. */
  readonly id: string = randomBytes(8).toString('hex')
  readonly prefix: string
  readonly link: RedisLink
  readonly #listeners = new Map<string, Listener>()
  readonly #subscription: Subscription

  constructor({ redis, prefix, commandTimeoutMs, onState, onGap }: BusOptions) {
    this.prefix = prefix
    this.link = new RedisLink({ redis, commandTimeoutMs, onState })
    this.#subscription = new Subscription({
      connect: () => separate(this.link.client),
      publish: (channel, message) => this.link.run((client) => client.publish(channel, message)),
      echoChannel: `${prefix}echo:${this.id}`,
      onMessage: (channel, message) => this.#receive(channel, message),
      onGap,
    })
  }

  /** Whether messages arrive at this moment. */
  get listening(): boolean {
    return this.#subscription.live
  }

  /** One listener for each channel. Messages that are no JSON are dropped. */
  listen(channel: string, listener: Listener): void {
    this.#listeners.set(this.prefix + channel, listener)
    this.#subscription.add(this.prefix + channel)
  }

  unlisten(channel: string): void {
    this.#listeners.delete(this.prefix + channel)
    this.#subscription.remove(this.prefix + channel)
  }

  /** How many have received it, of one node where Redis is a Cluster. */
  publish(channel: string, message: unknown): Promise<number> {
    const text = JSON.stringify(message)
    if (text.length > longestMessage) return Promise.reject(new Error('the message is too long'))
    return this.link.run((client) => client.publish(this.prefix + channel, text))
  }

  close(): void {
    this.#subscription.close()
    this.link.close()
  }

  #receive(channel: string, text: string): void {
    const listener = this.#listeners.get(channel)
    const message = text.length > longestMessage ? undefined : parsed(text)
    if (message !== undefined) listener?.(message)
  }
}

/** Whoever may publish may publish anything. */
function parsed(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}
