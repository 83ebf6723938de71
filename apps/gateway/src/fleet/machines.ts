import { protocolByName } from '@proxy/kernel'
import type { PeerLink } from './peer-link.ts'

/** The other machines of a cluster, as one process of this machine reaches them. */
export interface Machines {
  /** Of this machine; 255 while it has none. */
  readonly node: number
  request(node: number, peer: number, topic: string, message: unknown): Promise<unknown>
  others(topic: string, message: unknown): Promise<readonly unknown[]>
}

/** Topics by which a worker reaches them through the primary. */
export const machineTopics = { node: 'machines:node', request: 'machines:request', others: 'machines:others' } as const

export interface MachineRequest {
  readonly node: number
  readonly peer: number
  readonly topic: string
  readonly message: unknown
}

const primary = 0
const deadlineMs = 6_000

/** Only what protocols ask each other goes from machine to machine: the processes' own business does not. */
export const mayTravel = (topic: string): boolean => protocolByName(topic.split(':', 1)[0] ?? '') !== undefined

/** In a worker process: the primary has the connections. */
export class WorkerMachines implements Machines {
  node: number
  readonly #peers: PeerLink

  constructor(peers: PeerLink, node: number) {
    this.#peers = peers
    this.node = node
    peers.answer(machineTopics.node, (given) => {
      this.node = given as number
    })
  }

  request(node: number, peer: number, topic: string, message: unknown): Promise<unknown> {
    const request: MachineRequest = { node, peer, topic, message }
    return this.#peers.ask(primary, machineTopics.request, request, deadlineMs)
  }

  async others(topic: string, message: unknown): Promise<readonly unknown[]> {
    const answer = await this.#peers.ask(primary, machineTopics.others, { topic, message }, deadlineMs)
    return Array.isArray(answer) ? answer : []
  }
}
