import type { Bus } from './bus.ts'
import * as scripts from './scripts.ts'

/** A gateway that is alive. */
export interface GatewayPresence {
  readonly id: string
  readonly name: string
  /** -1: all numbers are taken. */
  readonly node: number
  readonly pid: number
  /** When it joined, in milliseconds since 1970 by its own clock. */
  readonly since: number
  /** What it says of itself. */
  readonly info: Readonly<Record<string, unknown>>
}

/** One number stays free: it stands for "no number". */
const mostNodes = 255
const rosterLeaseMs = 8_000

/** Which gateways there are, and which number each has. */
export class Roster {
  readonly #bus: Bus

  constructor(bus: Bus) {
    this.#bus = bus
  }

  /** The number that this gateway has from now on; undefined when all are taken. Throws `RedisAwayError`. */
  async takeNode(held: number | undefined): Promise<number | undefined> {
    const { link, id } = this.#bus
    const node = await link.run((client) =>
      client.eval(scripts.takeNode, 1, this.#key('nodes'), id, held ?? -1, rosterLeaseMs, mostNodes),
    )
    return typeof node === 'number' && node >= 0 ? node : undefined
  }

  async write(presence: GatewayPresence): Promise<void> {
    const { link, id } = this.#bus
    await link.run((client) => client.set(this.#key(`gateway:${id}`), JSON.stringify(presence), 'PX', rosterLeaseMs))
    await link.run((client) => client.sadd(this.#key('gateways'), id))
  }

  /** Those that have said within the lease that they are there, this one included. */
  async read(): Promise<GatewayPresence[]> {
    const { link } = this.#bus
    const ids = await link.run((client) => client.smembers(this.#key('gateways')))
    const found = await Promise.all(ids.slice(0, mostNodes * 2).map((id) => this.#one(id)))
    return found.filter((presence) => presence !== undefined).toSorted((a, b) => a.node - b.node)
  }

  async leave(node: number | undefined): Promise<void> {
    const { link, id } = this.#bus
    await link.run((client) => client.srem(this.#key('gateways'), id))
    await link.run((client) => client.del(this.#key(`gateway:${id}`)))
    if (node !== undefined) await link.run((client) => client.eval(scripts.leaveNode, 1, this.#key('nodes'), id, node))
  }

  async #one(id: string): Promise<GatewayPresence | undefined> {
    const { link } = this.#bus
    const text = await link.run((client) => client.get(this.#key(`gateway:${id}`)))
    if (text === null) return void (await link.run((client) => client.srem(this.#key('gateways'), id)))
    return parsed(text)
  }

  #key(name: string): string {
    return this.#bus.prefix + name
  }
}

function parsed(text: string): GatewayPresence | undefined {
  try {
    const value: unknown = JSON.parse(text)
    const known = typeof value === 'object' && value !== null && 'node' in value && typeof value.node === 'number'
    return known ? (value as GatewayPresence) : undefined
  } catch {
    return undefined
  }
}
