import {
  type Backend,
  type Disposer,
  type Endpoint,
  formatAddress,
  type HookMap,
  type HookName,
  type Hooks,
  type Layer,
  type LayerContext,
} from '@proxy/kernel'

/** Something an operator wants to hear of; survives JSON. */
export interface Announcement {
  readonly kind: string
  readonly facts: Readonly<Record<string, unknown>>
}

/** On which the primary hears the announcements of its workers. */
export const announceTopic = 'operate:announce'

// Flapping circuits of many tenants must not keep the channel busy.
const mostPerSecond = 100

type Facts = Announcement['facts']

/** Tells the primary what an operator would want to see at once: a layer that only observes, and outlives reloads. */
export class Announcer implements Layer {
  readonly name = 'announcer'
  readonly #tell: (announcement: Announcement) => void
  #users = 0
  #disposers: Disposer[] = []
  #second = 0
  #told = 0

  constructor(tell: (announcement: Announcement) => void) {
    this.#tell = tell
  }

  setup({ hooks }: Pick<LayerContext, 'hooks'>): Disposer {
    // While a reload replaces the layers, the new ones may be there before the old ones go: nothing is told twice.
    if (this.#users++ === 0) this.#disposers = this.#observe(hooks)
    let used = true
    return () => {
      if (used && --this.#users === 0) for (const dispose of this.#disposers) dispose()
      used = false
    }
  }

  #observe(hooks: Hooks): Disposer[] {
    const on = <N extends HookName>(name: N, kind: string, facts: (event: HookMap[N]) => Facts): Disposer =>
      hooks.on(name, (event) => this.#announce(kind, () => facts(event)))
    return [
      on('wake:start', 'wake-start', ({ backend, key }) => ({ backend: backend.id, key })),
      on('wake:end', 'wake-end', ({ backend, key, durationMs, error }) => ({
        backend: backend.id,
        key,
        durationMs,
        error: error?.code,
      })),
      on('tenant:idle', 'idle', ({ backend, key, idleMs }) => ({ backend: backend.id, key, idleMs })),
      on('circuit:change', 'circuit', ({ backend, endpoint, state, openMs }) => ({
        ...placeOf(backend, endpoint),
        state,
        openMs,
      })),
      on('endpoint:health', 'health', ({ backend, endpoint, healthy, by, error }) => ({
        ...placeOf(backend, endpoint),
        healthy,
        by,
        error: error?.code,
      })),
    ]
  }

  #announce(kind: string, facts: () => Facts): void {
    const second = Math.floor(performance.now() / 1_000)
    if (second !== this.#second) {
      this.#second = second
      this.#told = 0
    }
    if (++this.#told <= mostPerSecond) this.#tell({ kind, facts: facts() })
  }
}

const placeOf = (backend: Backend, endpoint: Endpoint): Facts => ({
  backend: backend.id,
  endpoint: formatAddress(endpoint),
})
