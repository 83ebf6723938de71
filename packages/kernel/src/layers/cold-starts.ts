import type { Backend, Dial, Dialled, DialRequest, Disposer, Endpoint, LayerContext } from '../contracts.ts'
import { GatewayError } from '../errors.ts'
import type { ColdStartOptions } from './cold-start.ts'
import { Pacer } from './pacer.ts'
import type { WakeTarget } from './readiness.ts'
import { WaitingRoom } from './waiting-room.ts'
import { wakeTimeout } from './wake-errors.ts'
import { Wake, type WakeOwner } from './wake.ts'

export type ColdStartSettings = { readonly [Name in keyof ColdStartOptions]-?: NonNullable<ColdStartOptions[Name]> }

/** A connection that has to wait: what it waits for, whose it is, and how many of its bytes are held. */
export interface Arrival extends WakeTarget {
  readonly session: string
  readonly unread: number
}

interface Failure {
  readonly backend: string
  readonly code: string
  readonly at: number
}

const failuresShown = 20
/** A start is noticed within so long, as long as few are waited for. */
const leastProbeMs = 5
const wakesShown = 200

/** Every start that is under way, or whose outcome still answers for others. */
export class ColdStarts implements WakeOwner {
  readonly #settings: ColdStartSettings
  readonly #context: LayerContext
  readonly #room: WaitingRoom
  /** By backend id, before and after waking. */
  readonly #wakes = new Map<string, Wake>()
  /** By backend id: those that a herd has waited for. */
  readonly #pacers = new Map<string, Pacer>()
  readonly #timers = new Set<Disposer>()
  readonly #failed: Failure[] = []
  /** By start and protocol. */
  #asked = 0
  #woken = 0
  #failures = 0
  #closed = false

  constructor(settings: ColdStartSettings, context: LayerContext) {
    this.#settings = settings
    this.#context = context
    this.#room = new WaitingRoom(settings)
  }

  /** What the latest start of the backend made of it, if there was one of late: a backend, or why there is none. */
  outcome({ backend, protocol }: WakeTarget): Backend | GatewayError | undefined {
    return this.#wakes.get(backend.id)?.outcome(protocol)
  }

  /** Waits for the start that is under way, or begins one. */
  async wait(arrival: Arrival, signal: AbortSignal): Promise<Backend> {
    const leave = this.#enter(arrival)
    const patience = this.#patience(arrival.protocol, signal)
    try {
      return await this.#join(arrival, patience.signal)
    } finally {
      patience.end()
      leave()
    }
  }

  dial(next: Dial, request: DialRequest, signal: AbortSignal): Promise<Dialled> {
    const pacer = this.#pacers.size === 0 ? undefined : this.#pacers.get(request.backend.id)
    if (pacer === undefined) return next(request, signal)
    const { key, session = '' } = request
    return pacer.dial(next, request, signal, () => this.#enter({ key, session, unread: 0 }))
  }

  /** The backend's route changed: what its last start led to may be gone, and one that is under way may be done. */
  changed(id: string): void {
    const wake = this.#wakes.get(id)
    if (wake?.isPending === true) wake.nudge()
    else if (wake !== undefined) this.#forget(wake)
  }

  close(): void {
    this.#closed = true
    for (const cancel of this.#timers) cancel()
    const error = new GatewayError('PROXY_DRAINING')
    for (const wake of new Set(this.#wakes.values())) wake.abort(error)
    for (const pacer of new Set(this.#pacers.values())) pacer.close(error)
  }

  stats(): Record<string, unknown> {
    const now = this.#context.clock.now()
    return {
      waiting: this.#room.size,
      waitingBytes: this.#room.bytes,
      wakes: this.#underWay(now).slice(0, wakesShown),
      failed: this.#failed.map(({ backend, code, at }) => ({ backend, code, msAgo: Math.round(now - at) })),
      woken: this.#woken,
      failures: this.#failures,
    }
  }

  /** Of a fleet that starts, about a thousand questions a second in all. */
  get probeEveryMs(): number {
    return Math.max(leastProbeMs, this.#asked)
  }

  wakeAsks(change: 1 | -1): void {
    this.#asked += change
  }

  wakeServes(wake: Wake, backend: Backend, waiting: number): void {
    if (!this.#wakes.has(backend.id)) this.#list(backend.id, wake)
    const { deadlineMs, maxDials } = this.#settings
    if (waiting <= maxDials || this.#pacers.has(backend.id)) return
    const leftMs = wake.startedAt + deadlineMs - this.#context.clock.now()
    const over = (): boolean => this.#pacers.delete(backend.id)
    this.#pacers.set(backend.id, new Pacer(wake, this.#context.clock, { maxDials, leftMs }, over))
  }

  wakeEnded({ backend }: Wake, error: GatewayError | undefined): void {
    if (error === undefined) {
      this.#woken++
      return
    }
    this.#failures++
    this.#failed.unshift({ backend: backend.id, code: error.code, at: this.#context.clock.now() })
    this.#failed.length = Math.min(this.#failed.length, failuresShown)
  }

  wakeSettled(wake: Wake): void {
    const { failureTtlMs, wokenTtlMs } = this.#settings
    const ttlMs = wake.failure === undefined ? wokenTtlMs : failureTtlMs
    if (this.#closed || ttlMs === 0) return this.#forget(wake)
    const cancel = this.#context.clock.after(ttlMs, () => {
      this.#timers.delete(cancel)
      if (!wake.isPending) this.#forget(wake)
    })
    this.#timers.add(cancel)
  }

  #join(target: WakeTarget, signal: AbortSignal): Promise<Backend> {
    const flying = this.#wakes.get(target.backend.id)
    if (flying !== undefined) return flying.lane(target).join(signal)
    const wake = new Wake(this.#context, target, this.#settings.deadlineMs, this)
    this.#list(target.backend.id, wake)
    const joined = wake.lane(target).join(signal)
    void wake.begin()
    return joined
  }

  /** Throws `PROXY_WAKE_QUEUE_FULL`. The wait is over when what it returns is called. */
  #enter({ key, session, unread }: Pick<Arrival, 'key' | 'session' | 'unread'>): Disposer {
    const { clock } = this.#context
    this.#room.enter(key, unread)
    const enteredAt = clock.now()
    return () => {
      this.#room.leave(key, unread)
      this.#context.waited(session, clock.now() - enteredAt)
    }
  }

  /** A signal that is aborted when clients of the protocol are to be answered, too. */
  #patience(protocol: string, signal: AbortSignal): { readonly signal: AbortSignal; readonly end: Disposer } {
    const patienceMs = this.#settings.patienceMs[protocol]
    if (patienceMs === undefined) return { signal, end() {} }
    const controller = new AbortController()
    const giveUp = (): void => controller.abort(wakeTimeout())
    if (patienceMs === 0) giveUp()
    const end = patienceMs === 0 ? () => {} : this.#context.clock.after(patienceMs, giveUp)
    return { signal: AbortSignal.any([signal, controller.signal]), end }
  }

  #list(id: string, wake: Wake): void {
    this.#wakes.set(id, wake)
    wake.ids.push(id)
  }

  #forget(wake: Wake): void {
    for (const id of wake.ids.splice(0)) this.#wakes.delete(id)
  }

  #underWay(now: number): Record<string, unknown>[] {
    const wakes = [...new Set(this.#wakes.values())].filter((wake) => wake.isPending)
    const pacers = [...new Set(this.#pacers.values())].filter(({ waiting }) => waiting > 0)
    return [
      ...wakes.map((wake) => ({ ...shown(wake, now), waiting: wake.waiting, state: 'waking' })),
      ...pacers.map(({ wake, waiting }) => ({ ...shown(wake, now), waiting, state: 'releasing' })),
    ]
  }
}

function shown({ backend, key, startedAt }: Wake, now: number): Record<string, unknown> {
  return { backend: backend.id, key, startedMsAgo: Math.round(now - startedAt) }
}

/** The dial of a backend that was started because it could not be dialled. */
export function dialOf(request: DialRequest, backend: Backend): DialRequest {
  return { ...request, backend, endpoint: backend.endpoints[0] as Endpoint, order: undefined, address: undefined }
}
