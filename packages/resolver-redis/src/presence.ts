import type { Bus } from './bus.ts'

const leaseMs = 15_000
const refreshMs = 4_000
const chunk = 500
/** Keeps the set of a gateway on which nothing is connected in Redis: an empty one would not be there. */
const here = ''

/**
 * Which backends have connections at which gateway: one set for each gateway, which ends by itself when its gateway does. A
 * backend is put to sleep only when it is in none of them.
 */
export class Presence {
  readonly #bus: Bus
  readonly #counts = new Map<string, number>()
  readonly #timer: NodeJS.Timeout
  #writing: Promise<void> = Promise.resolve()

  constructor(bus: Bus) {
    this.#bus = bus
    this.#timer = setInterval(() => this.#refresh(), refreshMs).unref()
  }

  get size(): number {
    return this.#counts.size
  }

  enter(name: string): void {
    const count = this.#counts.get(name) ?? 0
    this.#counts.set(name, count + 1)
    if (count === 0) this.#tell((key) => this.#bus.link.run((client) => client.sadd(key, name)))
  }

  leave(name: string): void {
    const count = this.#counts.get(name)
    if (count === undefined) return
    if (count > 1) return void this.#counts.set(name, count - 1)
    this.#counts.delete(name)
    this.#tell((key) => this.#bus.link.run((client) => client.srem(key, name)))
  }

  /** Says everything anew: Redis may have been away. In one step, so that nothing that is told meanwhile is lost. */
  async restore(): Promise<void> {
    const { link, prefix, id } = this.#bus
    await link.run((client) => client.sadd(`${prefix}busy`, id))
    await link.run((client) => {
      const names = [here, ...this.#counts.keys()]
      const all = client.multi().del(this.#key)
      for (let at = 0; at < names.length; at += chunk) all.sadd(this.#key, ...names.slice(at, at + chunk))
      return all.pexpire(this.#key, leaseMs).exec()
    })
  }

  /** Throws `RedisAwayError`. */
  async isBusy(name: string): Promise<boolean> {
    if (this.#counts.has(name)) return true
    const { link, prefix } = this.#bus
    const gateways = await link.run((client) => client.smembers(`${prefix}busy`))
    for (const id of gateways) {
      const [listed, alive] = await link.run((client) => client.smismember(this.#keyOf(id), name, here))
      if (listed === 1) return true
      if (alive !== 1) await link.run((client) => client.srem(`${prefix}busy`, id))
    }
    return false
  }

  /** Takes this gateway out, as far as Redis is there. */
  async close(): Promise<void> {
    clearInterval(this.#timer)
    await this.#writing
    await this.#bus.link.run((client) => client.del(this.#key)).catch(() => undefined)
  }

  get #key(): string {
    return this.#keyOf(this.#bus.id)
  }

  #keyOf(id: string): string {
    return `${this.#bus.prefix}busy:${id}`
  }

  /** What cannot be told is told by `restore`, when Redis is back. */
  #tell(command: (key: string) => Promise<unknown>): void {
    command(this.#key).catch(() => undefined)
  }

  #refresh(): void {
    this.#writing = this.#extend().catch(() => undefined)
  }

  async #extend(): Promise<void> {
    const known = await this.#bus.link.run((client) => client.pexpire(this.#key, leaseMs))
    if (known === 0) await this.restore()
  }
}
