import type { DrainOptions } from '@proxy/kernel'
import { loadSource, type LoadedConfig } from '../config/load.ts'
import { elsewhere } from '../embedded/config.ts'
import { createLogger, type Logger } from '../logging/logger.ts'
import { type Envelope, isEnvelope, PeerLink } from './peer-link.ts'
import { isSocketMessage, type Opened, slotVariable, topics, type WorkerPlan } from './plan.ts'
import type { SocketHandle } from './bind-socket.ts'
import { BorrowedSockets } from './borrowed-sockets.ts'
import { failureOf } from './failure.ts'
import { WorkerMachines } from './machines.ts'
import { operations } from './operations.ts'
import { PrimaryResolvers } from '../placement/primary-resolvers.ts'
import { workerTransport } from './transport.ts'
import { Unit } from './unit.ts'

const primary = 0

/** The life of a worker process: it does what the primary asks for, and ends with it. */
export async function runWorker(): Promise<void> {
  // A terminal signals the whole process group; the primary decides when a worker ends.
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => undefined)
  const peers = new PeerLink(Number(process.env[slotVariable]), send)
  const sockets = new BorrowedSockets(peers)
  process.on('message', (message, handle) => {
    if (isEnvelope(message)) peers.receive(message)
    else if (isSocketMessage(message)) sockets.arrived(message, handle as unknown as SocketHandle | undefined)
  })
  const plan = (await peers.request(primary, topics.plan, undefined)) as WorkerPlan
  const worker = new Worker(plan, peers, sockets)
  worker.answer()
  await peers.request(primary, topics.opened, await worker.open())
}

const send = (envelope: Envelope): boolean => process.connected && process.send !== undefined && sent(envelope)

// The channel may close at any moment: then this process ends too.
function sent(envelope: Envelope): boolean {
  process.send?.(envelope, undefined, undefined, () => undefined)
  return true
}

const nothing = (): void => undefined

class Worker {
  readonly #plan: WorkerPlan
  readonly #peers: PeerLink
  readonly #sockets: BorrowedSockets
  readonly #resolvers: PrimaryResolvers
  #unit: Unit | undefined

  constructor(plan: WorkerPlan, peers: PeerLink, sockets: BorrowedSockets) {
    this.#plan = plan
    this.#peers = peers
    this.#sockets = sockets
    this.#resolvers = new PrimaryResolvers(peers)
    if (plan.node !== undefined) peers.machines = new WorkerMachines(peers, plan.node)
  }

  answer(): void {
    const { prepare, commit, rollback, settle, drain, snapshot } = topics
    this.#peers.answer(snapshot, () => this.#unit?.snapshot())
    this.#peers.answer(prepare, async (generation) => this.#unit?.prepare(await this.#load(generation as number)))
    this.#peers.answer(commit, () => this.#unit?.commit())
    this.#peers.answer(rollback, () => this.#unit?.rollback())
    this.#peers.answer(settle, () => this.#unit?.settle())
    this.#peers.answer(drain, (options) => this.#drain(options as DrainOptions))
    for (const topic of Object.keys(operations)) {
      this.#peers.answer(topic, (message) => this.#unit?.operate(topic, message))
    }
  }

  /** Says what was bound, or why it could not be: an error's fields do not survive the way. */
  async open(): Promise<Opened> {
    try {
      const loaded = await this.#load(this.#plan.generation)
      const ticketKeys = Buffer.from(this.#plan.ticketKeys, 'base64')
      const logger = this.#logger(loaded)
      const transport = workerTransport(this.#plan.transport, this.#sockets)
      this.#unit = new Unit(loaded, { peers: this.#peers, ticketKeys, logger, resolvers: this.#resolvers, transport })
      return { bound: await this.#unit.open() }
    } catch (error) {
      return { failure: failureOf(error) }
    }
  }

  /** No session is asked to leave before the other workers, too, have stopped accepting. */
  async #drain(options: DrainOptions): Promise<void> {
    const others = (): Promise<unknown> => this.#peers.request(primary, topics.stopped, undefined)
    // One that is silent is not waited for.
    await this.#unit?.drain(options, () => others().then(nothing, nothing))
  }

  #load(generation: number): Promise<LoadedConfig> {
    const { source, cwd, embedded } = this.#plan
    const backends = embedded === undefined ? undefined : { plan: embedded, resolver: elsewhere }
    return loadSource(source, { env: process.env, cwd, generation, embedded: backends })
  }

  #logger({ config }: LoadedConfig): Logger {
    return createLogger(config.log, { worker: this.#peers.self })
  }
}
