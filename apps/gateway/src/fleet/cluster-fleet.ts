import type { SendHandle } from 'node:child_process'
import cluster, { type Worker } from 'node:cluster'
import type { DrainOptions } from '@proxy/kernel'
import type { WorkerSnapshot } from '../admin/snapshot.ts'
import type { Logger } from '../logging/logger.ts'
import { Backoff } from './backoff.ts'
import { Barrier } from './barrier.ts'
import { messageOf, OpenError } from './failure.ts'
import type { Fleet } from './fleet.ts'
import { type Envelope, isEnvelope, type PeerLink } from './peer-link.ts'
import { type Opened, slotVariable, topics } from './plan.ts'
import { retire } from './retired.ts'
import { SocketKeeper } from './socket-keeper.ts'
import type { BoundListener } from './unit.ts'

export interface ClusterOptions {
  readonly workers: number
  /** Module that worker processes run, and its arguments. */
  readonly exec: string
  readonly env: Readonly<Record<string, string>>
  readonly peers: PeerLink
  readonly logger: Logger
  /** Called when the process of a worker is gone, for whatever reason. */
  readonly exited: (worker: number) => void
  /** Called when a worker died, and when one was started again. */
  readonly changed?: ((worker: number, change: 'died' | 'started') => void) | undefined
}

interface Slot {
  readonly number: number
  readonly backoff: Backoff
  worker: Worker | undefined
  /** Serves: it has opened and was not told to stop. */
  serving: boolean
  startedAt: number
  timer: NodeJS.Timeout | undefined
  last: WorkerSnapshot | undefined
  opened: PromiseWithResolvers<Opened> | undefined
}

// Each host name that DNS leaves without an answer holds a thread for seconds, and only half of them may look up names.
const threads = { UV_THREADPOOL_SIZE: '32' }
const snapshotTimeoutMs = 2_000
const openTimeoutMs = 60_000
// A drain takes its delay and its deadline, and some time to end what is left.
const drainGraceMs = 5_000

/**
 * One process per worker, on listening sockets that the primary holds: a connection in the queue of a worker that dies is accepted
 * by another one, and it costs nothing to start that one again.
 */
export class ClusterFleet implements Fleet {
  readonly retired: WorkerSnapshot[] = []
  restarts = 0
  readonly #options: ClusterOptions
  readonly #slots: readonly Slot[]
  readonly #sockets: SocketKeeper
  #stopping = false
  #stopped = new Barrier([])

  constructor(options: ClusterOptions) {
    this.#options = options
    this.#slots = Array.from({ length: options.workers }, (_, index) => newSlot(index + 1))
    // Workers accept by themselves: handing connections out from here is much slower.
    cluster.schedulingPolicy = cluster.SCHED_NONE
    cluster.setupPrimary({ exec: options.exec, args: [], serialization: 'json' })
    this.#sockets = new SocketKeeper(options.peers, {
      pidOf: (worker) => this.#slotOf(worker)?.worker?.process.pid,
      give: (worker, message, handle) => {
        this.#slotOf(worker)?.worker?.send(message, handle as unknown as SendHandle, () => undefined)
      },
    })
    options.peers.answer(topics.opened, (opened, from) => this.#slotOf(from)?.opened?.resolve(opened as Opened))
    options.peers.answer(topics.stopped, (_message, from) => this.#stopped.arrive(from))
    cluster.on('message', (_worker, message) => void (isEnvelope(message) && this.#deliver(message)))
    cluster.on('exit', (worker, code, signal) => this.#exited(worker, signal ?? code))
  }

  /** Puts an envelope on its way to a worker; false when there is none of that number. */
  send(envelope: Envelope): boolean {
    const worker = this.#slotOf(envelope.to)?.worker
    return worker?.isConnected() === true && (worker.send(envelope, undefined, () => undefined), true)
  }

  async open(): Promise<readonly BoundListener[]> {
    const bound = await Promise.all(this.#slots.map((slot) => this.#start(slot)))
    return bound[0] ?? []
  }

  async reload(generation: number): Promise<void> {
    const slots = this.#servingSlots
    const ask = (slot: Slot, topic: string): Promise<unknown> => this.#ask(slot, topic, generation, openTimeoutMs)
    try {
      await Promise.all(slots.map((slot) => ask(slot, topics.prepare)))
      for (const slot of slots) await ask(slot, topics.commit)
    } catch (error) {
      await Promise.allSettled(slots.map((slot) => ask(slot, topics.rollback)))
      throw error
    }
    await Promise.allSettled(slots.map((slot) => ask(slot, topics.settle)))
  }

  async snapshots(): Promise<readonly WorkerSnapshot[]> {
    const results = await Promise.all(this.#servingSlots.map((slot) => this.#snapshot(slot)))
    return results.filter((snapshot) => snapshot !== undefined)
  }

  async ask(topic: string, message: unknown): Promise<readonly unknown[]> {
    const asked = this.#servingSlots.map((slot) => this.#ask(slot, topic, message, snapshotTimeoutMs))
    const answers = await Promise.allSettled(asked)
    return answers.flatMap((answer) => (answer.status === 'fulfilled' ? [answer.value] : []))
  }

  async drain(options: DrainOptions): Promise<void> {
    this.#stop()
    this.#stopped = new Barrier(this.#servingSlots.map(({ number }) => number))
    const timeoutMs = (options.delayMs ?? 0) + (options.deadlineMs ?? 0) + drainGraceMs
    const drained = this.#servingSlots.map((slot) => this.#ask(slot, topics.drain, options, timeoutMs))
    for (const result of await Promise.allSettled(drained)) {
      if (result.status === 'rejected') this.#options.logger.error({ err: result.reason }, 'a worker did not drain')
    }
    await this.close()
  }

  async close(): Promise<void> {
    this.#stop()
    await Promise.all(this.#slots.map((slot) => this.#kill(slot)))
  }

  get serving(): number {
    return this.#servingSlots.length
  }

  get #servingSlots(): Slot[] {
    return this.#slots.filter(({ serving }) => serving)
  }

  #slotOf(number: number): Slot | undefined {
    return this.#slots[number - 1]
  }

  /** No worker is started any longer. */
  #stop(): void {
    this.#stopping = true
    for (const { timer } of this.#slots) clearTimeout(timer)
  }

  async #start(slot: Slot): Promise<readonly BoundListener[]> {
    slot.startedAt = performance.now()
    slot.worker = cluster.fork({ ...threads, ...this.#options.env, [slotVariable]: String(slot.number) })
    slot.opened = Promise.withResolvers()
    const opened = await slot.opened.promise
    if ('failure' in opened) throw new OpenError(opened.failure)
    slot.serving = true
    this.#sockets.opened(slot.number)
    return opened.bound
  }

  #ask(slot: Slot, topic: string, message: unknown, timeoutMs: number): Promise<unknown> {
    return this.#options.peers.ask(slot.number, topic, message, timeoutMs)
  }

  async #snapshot(slot: Slot): Promise<WorkerSnapshot | undefined> {
    try {
      slot.last = (await this.#ask(slot, topics.snapshot, undefined, snapshotTimeoutMs)) as WorkerSnapshot
    } catch (error) {
      this.#options.logger.warn({ worker: slot.number, err: error }, 'a worker does not answer')
    }
    return slot.last
  }

  /** Between workers this process only passes on. */
  #deliver(envelope: Envelope): void {
    const { peers } = this.#options
    if (envelope.to === peers.self) return peers.receive(envelope)
    if (this.send(envelope) || envelope.gateway !== 'request') return
    const body = `there is no peer ${envelope.to}`
    this.send({ ...envelope, gateway: 'failure', from: envelope.to, to: envelope.from, body })
  }

  #exited(worker: Worker, reason: string | number): void {
    const slot = this.#slots.find((candidate) => candidate.worker === worker)
    if (slot === undefined) return
    const served = slot.serving
    slot.worker = undefined
    slot.serving = false
    slot.opened?.resolve({ failure: { message: `a worker ended as it began (${reason})` } })
    this.#options.peers.forget(slot.number)
    this.#options.exited(slot.number)
    this.#sockets.exited(slot.number, !this.#stopping)
    this.#stopped.leave(slot.number)
    if (slot.last !== undefined) retire(this.retired, slot.last)
    slot.last = undefined
    if (served && !this.#stopping) this.#startAgain(slot, reason)
  }

  #startAgain(slot: Slot, reason: string | number): void {
    const delayMs = slot.backoff.next(performance.now() - slot.startedAt)
    this.#options.logger.error({ worker: slot.number, reason, delayMs }, 'a worker died; it is started again')
    this.restarts++
    this.#options.changed?.(slot.number, 'died')
    slot.timer = setTimeout(() => void this.#restart(slot), delayMs)
  }

  async #restart(slot: Slot): Promise<void> {
    try {
      await this.#start(slot)
      this.#options.logger.info({ worker: slot.number }, 'the worker serves again')
      this.#options.changed?.(slot.number, 'started')
    } catch (error) {
      await this.#kill(slot)
      if (!this.#stopping) this.#startAgain(slot, messageOf(error))
    }
  }

  async #kill(slot: Slot): Promise<void> {
    const { worker } = slot
    if (worker === undefined) return
    const exited = new Promise((resolve) => worker.once('exit', resolve))
    slot.serving = false
    worker.process.kill('SIGKILL')
    await exited
  }
}

const newSlot = (number: number): Slot => ({
  number,
  backoff: new Backoff(),
  worker: undefined,
  serving: false,
  startedAt: 0,
  timer: undefined,
  last: undefined,
  opened: undefined,
})
