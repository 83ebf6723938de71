import { type Address, formatAddress } from '@proxy/kernel'
import type { RedisPeers, RedisState } from '@proxy/resolver-redis'
import type { ClusterConfig } from '../config/types.ts'
import type { Logger } from '../logging/logger.ts'
import { type MachineRequest, machineTopics, type Machines, mayTravel } from './machines.ts'
import type { PeerLink } from './peer-link.ts'

export interface MemberContext {
  readonly peers: PeerLink
  /** 1: this process serves by itself. */
  readonly workers: number
  readonly logger: Logger
  readonly admin: Address | undefined
  /** Forgets a key in every worker of this machine. */
  readonly purge: (key: string) => Promise<unknown>
  readonly connections: () => Promise<number>
}

const noNode = 255
const askMs = 2_000
const longestKey = 1_024

/** Topics between machines. */
const between = { peer: 'peer', all: 'all', purge: 'purge' } as const

/** This machine in its cluster: in the primary process, for all of its workers. */
export class ClusterMember implements Machines {
  readonly #redis: RedisPeers
  readonly #context: MemberContext
  #connections = 0

  /** Settles when Redis has given a number, or is not there: the gateway serves without it. */
  static async join(config: ClusterConfig, context: MemberContext): Promise<ClusterMember> {
    const { RedisPeers } = await import('@proxy/resolver-redis')
    const member: ClusterMember = new ClusterMember(context, (answer) => {
      const info = (): Record<string, unknown> => member.#info()
      const onNode = (node: number | undefined): void => member.#numbered(node)
      const onState = (state: RedisState, error: Error | undefined): void => member.#tell(state, error)
      return new RedisPeers({ ...config, answer, info, onNode, onState })
    })
    context.peers.machines = member
    await member.#redis.open()
    return member
  }

  private constructor(
    context: MemberContext,
    open: (answer: (topic: string, message: unknown) => unknown) => RedisPeers,
  ) {
    this.#context = context
    const { peers } = context
    peers.answer(machineTopics.request, (message) => {
      const { node, peer, topic, message: body } = message as MachineRequest
      return this.request(node, peer, topic, body)
    })
    peers.answer(machineTopics.others, (message) => {
      const { topic, message: body } = message as Omit<MachineRequest, 'node' | 'peer'>
      return this.others(topic, body)
    })
    this.#redis = open((topic, message) => this.#answer(topic, message))
  }

  get node(): number {
    return this.#redis.node ?? noNode
  }

  request(node: number, peer: number, topic: string, message: unknown): Promise<unknown> {
    return this.#redis.request(node, between.peer, { peer, topic, message })
  }

  async others(topic: string, message: unknown): Promise<readonly unknown[]> {
    const nodes = this.#redis.gateways.map(({ node }) => node).filter((node) => node >= 0 && node !== this.node)
    const answers = await Promise.allSettled(
      nodes.map((node) => this.#redis.request(node, between.all, { topic, message })),
    )
    return answers.flatMap((answer) =>
      answer.status === 'fulfilled' && Array.isArray(answer.value) ? (answer.value as readonly unknown[]) : [],
    )
  }

  /** What is not heard, as Redis is away, is forgotten when it is back: then everything counts as changed. */
  announcePurge(key: string): void {
    this.#redis.announce(between.purge, key).catch((error: unknown) => {
      this.#context.logger.warn({ err: error, key }, 'the other machines were not told of a purge')
    })
  }

  stats(): Record<string, unknown> {
    return this.#redis.stats()
  }

  async close(): Promise<void> {
    this.#context.peers.machines = undefined
    await this.#redis.close()
  }

  #answer(topic: string, message: unknown): unknown {
    if (topic === between.purge) return this.#purge(message)
    const { peer, topic: asked, message: body } = message as Partial<MachineRequest>
    if (typeof asked !== 'string' || !mayTravel(asked)) throw new Error('there is no such topic')
    if (topic === between.all) return this.#askAll(asked, body)
    if (topic === between.peer && typeof peer === 'number') return this.#context.peers.request(peer, asked, body)
    throw new Error('there is no such topic')
  }

  async #purge(key: unknown): Promise<void> {
    if (typeof key === 'string' && key !== '' && key.length <= longestKey) await this.#context.purge(key)
  }

  async #askAll(topic: string, message: unknown): Promise<readonly unknown[]> {
    const answers = await Promise.allSettled(this.#processes.map((peer) => this.#ask(peer, topic, message)))
    return answers.flatMap((answer) => (answer.status === 'fulfilled' ? [answer.value] : []))
  }

  get #processes(): readonly number[] {
    const { workers } = this.#context
    return workers === 1 ? [0] : Array.from({ length: workers }, (_, index) => index + 1)
  }

  #ask(peer: number, topic: string, message: unknown): Promise<unknown> {
    return this.#context.peers.ask(peer, topic, message, askMs)
  }

  #numbered(node: number | undefined): void {
    const { logger, workers } = this.#context
    if (node === undefined) logger.warn('every number of the cluster is taken; cancel requests find only own sessions')
    else logger.info({ node }, 'joined the cluster')
    if (workers === 1) return
    // One that is not there yet asks for it when it begins.
    for (const peer of this.#processes) this.#ask(peer, machineTopics.node, node ?? noNode).catch(() => undefined)
  }

  #tell(state: RedisState, error: Error | undefined): void {
    const { logger } = this.#context
    if (state === 'stale') logger.warn({ err: error }, 'Redis is away; this machine serves as if it were alone')
    else logger.info('Redis is there')
  }

  /** As of the last time that it was asked for. */
  #info(): Record<string, unknown> {
    const { admin, connections, workers } = this.#context
    connections().then(
      (count) => (this.#connections = count),
      () => undefined,
    )
    return { workers, connections: this.#connections, admin: admin === undefined ? null : formatAddress(admin) }
  }
}
