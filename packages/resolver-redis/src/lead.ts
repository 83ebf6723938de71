import { GatewayError, type ResolutionRecord, ResolveError } from '@proxy/kernel'
import type { Bus } from './bus.ts'
import { RedisAwayError } from './link.ts'
import { type Held, Lease } from './lock.ts'
import type { Notices } from './notices.ts'
import type { StoredState } from './records.ts'
import { pauseMs } from './source.ts'
import type { Store } from './store.ts'

const retryAfterMs = 1_000

/** What is woken: its lock, and where its state is. */
export interface Subject {
  readonly lock: string
  readonly stateKey: string
}

export interface LeadOptions {
  readonly bus: Bus
  readonly store: Store
  readonly notices: Notices
  readonly leaseMs: number
}

export interface Wake extends Subject {
  /** The record when nothing is left to do. `since` is the latest wake that was waited for; 0: none. */
  ready(state: StoredState | undefined, since: number): ResolutionRecord | undefined
  /** Wakes, under the lock. undefined: look again. */
  work(lease: Lease, signal: AbortSignal): Promise<ResolutionRecord | undefined>
}

/** Lets one gateway among many do the work, and the others wait for what comes of it. */
export class Lead {
  readonly #options: LeadOptions

  constructor(options: LeadOptions) {
    this.#options = options
  }

  /** Rejects with `ResolveError` UNAVAILABLE when the wake failed, or with the signal's reason. */
  async wake(wake: Wake, signal: AbortSignal): Promise<ResolutionRecord> {
    let since = 0
    for (let attempts = 0; ; attempts++) {
      if (signal.aborted) throw GatewayError.from(signal.reason, 'PROXY_WAKE_TIMEOUT')
      const over = new AbortController()
      // Listened for before anything is read, so that no change falls between.
      const notice = this.#options.notices.wait(wake.lock, pauseMs(attempts), AbortSignal.any([signal, over.signal]))
      try {
        const turn = await this.#turn(wake, since, signal)
        if ('record' in turn) return turn.record
        since = turn.since
        await notice
      } catch (error) {
        if (!(error instanceof RedisAwayError)) throw error
        await notice
      } finally {
        over.abort()
      }
    }
  }

  async #turn(
    wake: Wake,
    since: number,
    signal: AbortSignal,
  ): Promise<{ record: ResolutionRecord } | { since: number }> {
    const { store, bus, leaseMs } = this.#options
    const state = await store.read(wake.stateKey)
    if (since > 0 && state !== undefined && state.failed >= since && state.done < since) throw failed()
    const record = wake.ready(state, since)
    if (record !== undefined) return { record }
    const lease: Lease | Held = await Lease.take(bus, wake.lock, leaseMs)
    if (!(lease instanceof Lease)) return { since: lease.token }
    try {
      const woken = await wake.work(lease, signal)
      return woken === undefined ? { since: 0 } : { record: woken }
    } finally {
      await lease.release()
    }
  }

  /**
   * Waits for the outcome of what was asked for under a lease. undefined: the lease was lost, another one does it now. Rejects
   * with `ResolveError` UNAVAILABLE when it failed, NOT_FOUND when the resource was removed.
   */
  async outcome({ lock, stateKey }: Subject, lease: Lease, signal: AbortSignal): Promise<ResolutionRecord | undefined> {
    const ended = AbortSignal.any([signal, lease.lost])
    for (let attempts = 3; !ended.aborted; attempts++) {
      const notice = this.#options.notices.wait(lock, pauseMs(attempts), ended)
      const state = await this.#tryToRead(stateKey)
      if (state === null) throw new ResolveError('NOT_FOUND')
      if (state !== undefined && state.done >= lease.token) return state.record
      if (state !== undefined && state.failed >= lease.token) throw failed()
      await notice
    }
    if (signal.aborted) throw GatewayError.from(signal.reason, 'PROXY_WAKE_TIMEOUT')
    return undefined
  }

  /** null: it is gone. undefined: Redis is away. */
  async #tryToRead(stateKey: string): Promise<StoredState | null | undefined> {
    try {
      return (await this.#options.store.read(stateKey)) ?? null
    } catch (error) {
      if (error instanceof RedisAwayError) return undefined
      throw error
    }
  }
}

function failed(): ResolveError {
  return new ResolveError('UNAVAILABLE', { cause: new Error('the wake failed'), retryAfterMs })
}
