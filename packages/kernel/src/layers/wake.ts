import type { Backend, LayerContext, Resolution, Resolver } from '../contracts.ts'
import type { GatewayError } from '../errors.ts'
import { Lane, type LaneOwner } from './lane.ts'
import type { WakeTarget } from './readiness.ts'
import { wakeFailed } from './wake-errors.ts'

/** Hears of a wake. */
export interface WakeOwner {
  /** From one probe of a backend to the next, in milliseconds. */
  readonly probeEveryMs: number
  /** The backend is asked for one protocol more, or less. */
  wakeAsks(change: 1 | -1): void
  /** The backend serves one of the protocols that so many wait with, who are told next. */
  wakeServes(wake: Wake, backend: Backend, waiting: number): void
  /** The backend serves one protocol at least, or the start has failed. Once. */
  wakeEnded(wake: Wake, error: GatewayError | undefined): void
  /** Nobody waits for anything of it any more; again after the next who did. */
  wakeSettled(wake: Wake): void
}

/**
 * One start of one backend, which any number of connections wait for. It goes on when all of them have left: a client whose
 * own timeout is shorter than the start finds the backend running when it tries again. The deadline ends it.
 */
export class Wake implements LaneOwner {
  readonly backend: Backend
  readonly key: string
  readonly startedAt: number
  /** Under which its owner knows it. */
  readonly ids: string[] = []
  readonly #context: LayerContext
  readonly #deadlineMs: number
  readonly #owner: WakeOwner
  readonly #lanes = new Map<string, Lane>()
  readonly #controller = new AbortController()
  #answer: Resolution | undefined = undefined
  #asking = false
  #pending = 0
  #ended = false
  #failure: GatewayError | undefined = undefined

  constructor(context: LayerContext, { backend, key }: WakeTarget, deadlineMs: number, owner: WakeOwner) {
    this.backend = backend
    this.key = key
    this.startedAt = context.clock.now()
    this.#context = context
    this.#deadlineMs = deadlineMs
    this.#owner = owner
  }

  /** What became of it for those who speak `protocol`; undefined: not known yet. */
  outcome(protocol: string): Backend | GatewayError | undefined {
    return this.#lanes.get(protocol)?.outcome ?? this.#failure
  }

  /** Why the start failed; undefined when it did not, or is under way. */
  get failure(): GatewayError | undefined {
    return this.#failure
  }

  get waiting(): number {
    let waiting = 0
    for (const lane of this.#lanes.values()) waiting += lane.waiting
    return waiting
  }

  /** Somebody may still be told something new. */
  get isPending(): boolean {
    return this.#pending > 0
  }

  /** Whoever waits for what `outcome` does not know yet. */
  lane(target: WakeTarget): Lane {
    const found = this.#lanes.get(target.protocol)
    if (found !== undefined) return found
    const lane = new Lane(this.#context, target, this.#deadlineMs, this)
    this.#lanes.set(target.protocol, lane)
    this.#pending++
    this.#owner.wakeAsks(1)
    if (this.#answer !== undefined) void lane.started(this.#answer, this.backend)
    return lane
  }

  /** Asks the resolver. Whoever should learn of a failure that comes at once has joined before. */
  async begin(): Promise<void> {
    const { hooks, resolver } = this.#context
    if (hooks.has('wake:start')) hooks.emit('wake:start', { backend: this.backend, key: this.key })
    await this.#ask(resolver)
  }

  get everyMs(): number {
    return this.#owner.probeEveryMs
  }

  /** It was started and is gone again, as it seems: the resolver starts what does not run, and says so of what does. */
  refused(): void {
    if (!this.#asking) void this.#ask(this.#context.resolver)
  }

  async #ask(resolver: Resolver): Promise<void> {
    this.#asking = true
    try {
      const answer = (await resolver.wake?.(this.backend, this.#controller.signal)) ?? this.backend
      this.#answer = answer
      for (const lane of this.#lanes.values()) void lane.started(answer, this.backend)
    } catch (error) {
      this.abort(wakeFailed(error))
    } finally {
      this.#asking = false
    }
  }

  /** The backend changed: it may serve by now. */
  nudge(): void {
    for (const lane of this.#lanes.values()) lane.nudge()
  }

  /** Ends it for all who wait, whether or not the resolver heeds its signal. */
  abort(error: GatewayError): void {
    for (const lane of this.#lanes.values()) lane.fail(error)
  }

  laneServes(lane: Lane, backend: Backend): void {
    this.#owner.wakeServes(this, backend, lane.waiting)
    this.#finish(undefined, backend)
    this.#laneSettled()
  }

  laneFailed(error: GatewayError): void {
    if (this.#pending === 1) this.#finish(error)
    this.#laneSettled()
  }

  #laneSettled(): void {
    this.#pending--
    this.#owner.wakeAsks(-1)
    if (this.#pending === 0) this.#owner.wakeSettled(this)
  }

  /** The first protocol that is served ends the start well; the last one that is not, badly. */
  #finish(error: GatewayError | undefined, woken?: Backend): void {
    if (this.#ended) return
    this.#ended = true
    this.#failure = error
    if (error !== undefined) this.#controller.abort(error)
    this.#owner.wakeEnded(this, error)
    this.#announce(error, woken)
  }

  #announce(error: GatewayError | undefined, woken: Backend | undefined): void {
    const { hooks, clock } = this.#context
    if (!hooks.has('wake:end')) return
    const durationMs = clock.now() - this.startedAt
    hooks.emit('wake:end', { backend: this.backend, key: this.key, durationMs, woken, error })
  }
}
