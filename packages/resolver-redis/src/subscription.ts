import type { Redis } from 'ioredis'
import { pauseMs } from './source.ts'

export interface SubscriptionOptions {
  /** A connection of its own, not begun yet. */
  readonly connect: () => Redis
  /** Puts a message on a channel by another connection. */
  readonly publish: (channel: string, message: string) => Promise<unknown>
  /** Nobody else sends to this channel: what is sent there shows that messages arrive. */
  readonly echoChannel: string
  readonly onMessage: (channel: string, message: string) => void
  /** Messages may have been missed before this moment; from here on they arrive. */
  readonly onGap: () => void
}

const echoEveryMs = 2_000
const echoesMissed = 3

/**
 * One connection that listens. Redis keeps nothing for who is not there, so every new beginning is told as a gap. That
 * messages arrive is tried all the time: a connection into a black hole is silent like one on which nothing happens.
 */
export class Subscription {
  readonly #options: SubscriptionOptions
  readonly #channels: Set<string>
  #client: Redis | undefined
  #live = false
  #closed = false
  #attempts = 0
  #timer: NodeJS.Timeout | undefined
  #echo: NodeJS.Timeout | undefined
  #missed = 0

  constructor(options: SubscriptionOptions) {
    this.#options = options
    this.#channels = new Set([options.echoChannel])
    this.#connectIn(0)
  }

  get live(): boolean {
    return this.#live
  }

  add(channel: string): void {
    this.#channels.add(channel)
    if (this.#live) this.#client?.subscribe(channel).catch(() => this.#lose())
  }

  remove(channel: string): void {
    this.#channels.delete(channel)
    if (this.#live) this.#client?.unsubscribe(channel).catch(() => this.#lose())
  }

  close(): void {
    this.#closed = true
    clearTimeout(this.#timer)
    this.#drop()
  }

  #connectIn(delayMs: number): void {
    if (this.#closed) return
    clearTimeout(this.#timer)
    this.#timer = setTimeout(() => void this.#connect(), delayMs)
    this.#timer.unref()
  }

  async #connect(): Promise<void> {
    try {
      const client = this.#options.connect()
      this.#client = client
      client.on('error', () => undefined)
      client.on('message', (channel: string, message: string) => this.#receive(channel, message))
      client.once('end', () => this.#client === client && this.#lose())
      await client.connect()
      const channels = [...this.#channels]
      await client.subscribe(...channels)
      if (this.#client === client) this.#begin(client, channels)
    } catch {
      this.#lose()
    }
  }

  #begin(client: Redis, subscribed: readonly string[]): void {
    const late = [...this.#channels].filter((channel) => !subscribed.includes(channel))
    if (late.length > 0) client.subscribe(...late).catch(() => this.#lose())
    this.#live = true
    this.#attempts = 0
    this.#missed = 0
    this.#echo = setInterval(() => this.#tryEcho(), echoEveryMs).unref()
    this.#options.onGap()
  }

  #receive(channel: string, message: string): void {
    if (channel === this.#options.echoChannel) this.#missed = 0
    else this.#options.onMessage(channel, message)
  }

  #tryEcho(): void {
    const { publish, echoChannel } = this.#options
    if (this.#missed >= echoesMissed) return this.#lose()
    publish(echoChannel, '').then(
      () => this.#missed++,
      () => undefined,
    )
  }

  #lose(): void {
    this.#drop()
    this.#connectIn(pauseMs(this.#attempts++))
  }

  #drop(): void {
    const client = this.#client
    this.#client = undefined
    this.#live = false
    clearInterval(this.#echo)
    client?.disconnect()
  }
}
