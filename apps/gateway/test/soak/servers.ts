import { createServer, type Server } from 'node:http'
import { once } from 'node:events'
import { type Backend, startBackend } from '../faults/backends.ts'
import { type ProtocolName, protocolNames } from '../faults/speakers.ts'

/** The real servers, which the gateway's resolver starts and stops by asking at a port. */
export class Servers {
  readonly backends: Readonly<Record<ProtocolName, Backend>>
  readonly #desk: Server
  /** One thing at a time for each. */
  readonly #turns = new Map<string, Promise<void>>()
  wakes = 0
  sleeps = 0

  constructor(backends: Record<ProtocolName, Backend>) {
    this.backends = backends
    this.#desk = createServer((request, response) => {
      const [, what, id] = request.url!.split('/') as [string, string, ProtocolName]
      void this.#do(what, id).then(
        () => response.end(),
        () => response.writeHead(500).end(),
      )
    })
  }

  async open(port: number): Promise<void> {
    await once(this.#desk.listen(port, '127.0.0.1'), 'listening')
  }

  async kill(id: ProtocolName): Promise<void> {
    await this.#turn(id, () => this.backends[id].kill())
  }

  /** What it has. Meanwhile nobody puts it to sleep: the gateway goes on doing that with whatever nobody uses through it. */
  async stored(id: ProtocolName): Promise<ReadonlySet<string>> {
    let stored: ReadonlySet<string> = new Set()
    await this.#turn(id, async () => {
      await this.backends[id].start()
      stored = await this.backends[id].stored()
    })
    return stored
  }

  async stop(): Promise<void> {
    this.#desk.close()
    this.#desk.closeAllConnections()
    await Promise.all(Object.values(this.backends).map((backend) => backend.stop()))
  }

  #do(what: string, id: ProtocolName): Promise<void> {
    if (what === 'wake') this.wakes++
    else this.sleeps++
    return this.#turn(id, () => (what === 'wake' ? this.backends[id].start() : this.backends[id].kill()))
  }

  #turn(id: string, act: () => Promise<void>): Promise<void> {
    const before = this.#turns.get(id) ?? Promise.resolve()
    const mine = before.then(act)
    this.#turns.set(
      id,
      mine.catch(() => {}),
    )
    return mine
  }
}

/** All of them asleep. */
export async function servers(): Promise<Servers> {
  const made = await Promise.all(protocolNames.map(async (name) => [name, await startBackend(name)] as const))
  await Promise.all(made.map(([, backend]) => backend.kill()))
  return new Servers(Object.fromEntries(made) as Record<ProtocolName, Backend>)
}
