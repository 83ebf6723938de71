import { hostname } from 'node:os'
import { Bus } from './bus.ts'
import { Cluster } from 'ioredis'
import { answerOf, type Question, questionOf } from './peer-wire.ts'
import { type GatewayPresence, Roster } from './roster.ts'
import { type RedisOptions, redisSettings, type StateListener } from './settings.ts'

export interface RedisPeersOptions extends RedisOptions {
  /** For people. Default: the host's name. */
  readonly name?: string | undefined
  /** Answers the questions and takes the news of other gateways. What it rejects with is told by its message. */
  readonly answer: (topic: string, message: unknown) => unknown
  /** What the others are told of this gateway, as JSON of at most 16 KiB. Asked for every few seconds. Default: nothing. */
  readonly info?: (() => Readonly<Record<string, unknown>>) | undefined
  /** Told when the number of this gateway changes; undefined: it has none. Default: nobody is. */
  readonly onNode?: ((node: number | undefined) => void) | undefined
  /** Told when Redis goes away and when it is back. Default: nobody is. */
  readonly onState?: StateListener | undefined
}

interface Waiting {
  readonly resolve: (body: unknown) => void
  readonly reject: (error: Error) => void
  readonly timer: NodeJS.Timeout
}

const deadlineMs = 5_000
const heartbeatMs = 2_000
const mostWaiting = 1_000
const mostAnswering = 1_000
const longestInfo = 16_384

/**
 * The gateways of a cluster: each has a number that no other live one has, hears what the others ask it, and knows who is
 * there. All of it goes through Redis; while that is away, gateways serve as if each were alone, and come together again.
 */
export class RedisPeers {
  readonly #options: RedisPeersOptions
  readonly #bus: Bus
  readonly #roster: Roster
  readonly #waiting = new Map<number, Waiting>()
  readonly #since: number = Date.now()
  readonly #timer: NodeJS.Timeout
  #node: number | undefined
  #gateways: readonly GatewayPresence[] = []
  #nextId = 1
  #answering = 0
  #beating: Promise<void> | undefined
  #closed = false

  constructor(options: RedisPeersOptions) {
    this.#options = options
    this.#bus = new Bus({
      ...redisSettings(options),
      onState: (state, error) => {
        if (state === 'ready') void this.#beat()
        options.onState?.(state, error)
      },
      onGap: () => undefined,
    })
    this.#roster = new Roster(this.#bus)
    this.#bus.listen(`reply:${this.#bus.id}`, (message) => this.#take(message))
    this.#bus.listen('all', (message) => this.#hear(message))
    this.#timer = setInterval(() => void this.#beat(), heartbeatMs).unref()
  }

  /** 0 to 254; undefined until Redis has given one, or when all are taken. */
  get node(): number | undefined {
    return this.#node
  }

  /** Those that were there a few seconds ago, this one included. */
  get gateways(): readonly GatewayPresence[] {
    return this.#gateways
  }

  /** Settles when Redis has given a number, or is not there to give one. */
  async open(): Promise<void> {
    await this.#beat()
  }

  /** Asks one gateway. Rejects when there is none of this number, Redis is away, or no answer came within five seconds. */
  request(node: number, topic: string, body: unknown): Promise<unknown> {
    if (this.#waiting.size >= mostWaiting) return Promise.reject(new Error('too many questions wait for answers'))
    const id = this.#nextId++
    const { promise, resolve, reject } = Promise.withResolvers<unknown>()
    const timer = setTimeout(() => this.#fail(id, `node ${node} did not answer ${topic} in time`), deadlineMs)
    timer.unref()
    this.#waiting.set(id, { resolve, reject, timer })
    this.#publish(`node:${node}`, { id, from: this.#bus.id, topic, body }).then(
      (heard) => void (heard === 0 && this.#fail(id, `there is no node ${node}`)),
      (error: unknown) => this.#fail(id, String(error)),
    )
    return promise
  }

  /** Tells every other gateway. Rejects when Redis is away. */
  async announce(topic: string, body: unknown): Promise<void> {
    await this.#publish('all', { id: undefined, from: this.#bus.id, topic, body })
  }

  stats(): Record<string, unknown> {
    const { link, listening, id } = this.#bus
    return { id, node: this.#node ?? null, state: link.state, listening, gateways: this.#gateways }
  }

  async close(): Promise<void> {
    if (this.#closed) return
    this.#closed = true
    clearInterval(this.#timer)
    await this.#beating
    await this.#roster.leave(this.#node).catch(() => undefined)
    for (const id of this.#waiting.keys()) this.#fail(id, 'the gateway closes')
    this.#bus.close()
  }

  /** How many have heard it; -1 where a Cluster knows that of one node only. */
  async #publish(channel: string, question: Question): Promise<number> {
    const heard = await this.#bus.publish(channel, question)
    return this.#bus.link.client instanceof Cluster ? -1 : heard
  }

  #beat(): Promise<void> {
    if (this.#closed) return Promise.resolve()
    this.#beating ??= this.#renew()
      .catch(() => undefined)
      .finally(() => (this.#beating = undefined))
    return this.#beating
  }

  async #renew(): Promise<void> {
    this.#become(await this.#roster.takeNode(this.#node))
    await this.#roster.write(this.#presence())
    this.#gateways = await this.#roster.read()
  }

  #become(node: number | undefined): void {
    if (node === this.#node) return
    if (this.#node !== undefined) this.#bus.unlisten(`node:${this.#node}`)
    this.#node = node
    if (node !== undefined) this.#bus.listen(`node:${node}`, (message) => this.#hear(message))
    this.#options.onNode?.(node)
  }

  #presence(): GatewayPresence {
    const { name = hostname(), info } = this.#options
    const said = info?.() ?? {}
    const fits = JSON.stringify(said).length <= longestInfo
    return {
      id: this.#bus.id,
      name,
      node: this.#node ?? -1,
      pid: process.pid,
      since: this.#since,
      info: fits ? said : {},
    }
  }

  #hear(message: unknown): void {
    const question = questionOf(message)
    if (question === undefined || question.from === this.#bus.id || this.#answering >= mostAnswering) return
    this.#answering++
    void this.#answer(question).finally(() => this.#answering--)
  }

  async #answer({ id, from, topic, body }: Question): Promise<void> {
    const reply = (answer: object): Promise<unknown> =>
      id === undefined ? Promise.resolve() : this.#bus.publish(`reply:${from}`, { id, ...answer })
    try {
      await reply({ body: (await this.#options.answer(topic, body)) ?? null })
    } catch (error) {
      await reply({ error: error instanceof Error ? error.message : String(error) }).catch(() => undefined)
    }
  }

  #take(message: unknown): void {
    const answer = answerOf(message)
    if (answer === undefined) return
    if (answer.error === undefined) this.#settle(answer.id)?.resolve(answer.body)
    else this.#fail(answer.id, answer.error)
  }

  #fail(id: number, message: string): void {
    this.#settle(id)?.reject(new Error(message))
  }

  #settle(id: number): Waiting | undefined {
    const waiting = this.#waiting.get(id)
    if (waiting === undefined) return undefined
    this.#waiting.delete(id)
    clearTimeout(waiting.timer)
    return waiting
  }
}
