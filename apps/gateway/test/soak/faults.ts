import type { Launched } from '@proxy/test-servers'
import { statsOf } from '../gateway-process.ts'
import { type ProtocolName, protocolNames } from '../faults/speakers.ts'
import type { Random } from './random.ts'
import type { Servers } from './servers.ts'

/** While it lasts, clients may see errors: of this protocol, or of all. */
export interface FaultWindow {
  readonly what: string
  readonly protocol: ProtocolName | undefined
  readonly from: number
  to: number
}

export interface FaultsOptions {
  readonly gateway: Launched
  readonly adminPort: number
  readonly servers: Servers
  readonly random: Random
  readonly over: () => boolean
}

// What is under way when a process dies is lost at once; a little more is given for the news to arrive.
const afterwardsMs = 1_500

/** Kills and reloads at random times. */
export class Faults {
  readonly windows: FaultWindow[] = []
  readonly counts: Record<string, number> = {}
  readonly #options: FaultsOptions

  constructor(options: FaultsOptions) {
    this.#options = options
  }

  async run(): Promise<void> {
    const { random, over } = this.#options
    while (!over()) {
      const until = performance.now() + random.between(3_000, 9_000)
      while (!over() && performance.now() < until) await new Promise((resolve) => setTimeout(resolve, 200))
      if (over()) return
      const die = random.between(1, 10)
      await (die <= 5 ? this.#killBackend() : die <= 7 ? this.#killWorker() : this.#reload())
    }
  }

  async #killBackend(): Promise<void> {
    const { servers, random } = this.#options
    const protocol = protocolNames[random.between(0, protocolNames.length - 1)]!
    const window = this.#open('backend killed', protocol)
    await servers.kill(protocol)
    this.#close(window)
  }

  /** The first one only: the others live from the beginning to the end, and show what they keep. */
  async #killWorker(): Promise<void> {
    const { gateway, adminPort } = this.#options
    const victim = (await statsOf(adminPort)).workers.find(({ worker }) => worker === 1)
    if (victim === undefined) return
    const window = this.#open('worker killed', undefined)
    const printed = gateway.output.length
    process.kill(victim.pid, 'SIGKILL')
    // Clients of the other worker never notice; those of this one at once.
    window.to = performance.now() + afterwardsMs
    await gateway.waitFor(/the worker serves again/, { offset: printed, timeoutMs: 60_000 })
  }

  /** No window: nobody may notice. */
  async #reload(): Promise<void> {
    const { gateway } = this.#options
    this.#count('reload')
    const printed = gateway.output.length
    gateway.signal('SIGHUP')
    await gateway.waitFor(/"msg":"reloaded"/, { offset: printed, timeoutMs: 60_000 })
  }

  #open(what: string, protocol: ProtocolName | undefined): FaultWindow {
    this.#count(what)
    const window = { what, protocol, from: performance.now(), to: Number.POSITIVE_INFINITY }
    this.windows.push(window)
    return window
  }

  #close(window: FaultWindow): void {
    window.to = performance.now() + afterwardsMs
  }

  #count(what: string): void {
    this.counts[what] = (this.counts[what] ?? 0) + 1
  }
}
