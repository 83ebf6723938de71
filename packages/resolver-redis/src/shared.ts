import type { Metadata } from '@proxy/kernel'
import { Bus } from './bus.ts'
import { Lead } from './lead.ts'
import { Notices } from './notices.ts'
import { Presence } from './presence.ts'
import { invalid, type RedisOptions, redisSettings, type StateListener } from './settings.ts'
import { type Changed, changedChannel, Store } from './store.ts'

export interface WakeOptions extends RedisOptions {
  /** How long the lock of a gateway that died keeps others from taking over. Default 10,000 ms. */
  readonly leaseMs?: number | undefined
  /** Told when Redis goes away and when it is back. Default: nobody is. */
  readonly onState?: StateListener | undefined
}

export interface SharedEvents {
  changed(message: Changed): void
  /** Anything may have changed. */
  gap(): void
}

/** What a resolver shares with those of other machines, by Redis. */
export class Shared {
  readonly bus: Bus
  readonly store: Store
  readonly notices: Notices = new Notices()
  readonly presence: Presence
  readonly lead: Lead
  readonly leaseMs: number
  refused = 0
  wakes = 0

  constructor(options: WakeOptions, events: SharedEvents) {
    this.leaseMs = options.leaseMs ?? 10_000
    if (!(this.leaseMs >= 100)) throw invalid('leaseMs: not 100 ms or more')
    this.bus = new Bus({
      ...redisSettings(options),
      onState: (state, error) => {
        if (state === 'ready') this.#restored(events)
        options.onState?.(state, error)
      },
      onGap: () => this.#restored(events),
    })
    this.store = new Store(this.bus)
    this.presence = new Presence(this.bus)
    const { bus, store, notices, leaseMs } = this
    this.lead = new Lead({ bus, store, notices, leaseMs })
    this.bus.listen(changedChannel, (message) => this.#changed(message as Changed, events))
  }

  stats(): Record<string, unknown> {
    const { bus, presence, wakes, refused } = this
    return { state: bus.link.state, listening: bus.listening, busy: presence.size, wakes, refused }
  }

  async close(): Promise<void> {
    this.notices.notifyAll()
    await this.presence.close()
    this.bus.close()
  }

  #restored(events: SharedEvents): void {
    events.gap()
    this.notices.notifyAll()
    this.presence.restore().catch(() => undefined)
  }

  #changed(message: Changed, events: SharedEvents): void {
    if (typeof message !== 'object' || message === null) return
    events.changed(message)
    if (typeof message.lock === 'string') this.notices.notify(message.lock)
    if (typeof message.key === 'string') this.notices.notify(message.key)
  }
}

/** Where a backend came from, kept in its metadata: it survives a reload and the way between processes. */
export interface Origin {
  readonly key: string
  readonly lock: string
}

export function originOf(metadata: Metadata): Origin | undefined {
  const origin = metadata['redis']
  return typeof origin === 'object' && origin !== null && 'lock' in origin ? (origin as Origin) : undefined
}
