import type { Metadata } from '@proxy/kernel'
import type { Activity } from './wire.ts'

const delayMs = 20
const largest = 1_000

type Mutable<T> = { -readonly [K in keyof T]: T[K] }

/** What sessions did, gathered for a moment, so that a session costs no message of its own. */
export class ActivityBatch {
  readonly #send: (activities: readonly Activity[]) => void
  /** By metadata, an object for each backend and key. */
  #byMetadata = new Map<Metadata, Map<string, Mutable<Activity>>>()
  #size = 0
  #timer: NodeJS.Timeout | undefined

  constructor(send: (activities: readonly Activity[]) => void) {
    this.#send = send
  }

  track(key: string, metadata: Metadata): void {
    this.#of(key, metadata).tracked = true
  }

  connect(key: string, metadata: Metadata): void {
    this.#of(key, metadata).connected++
  }

  disconnect(key: string, metadata: Metadata): void {
    this.#of(key, metadata).disconnected++
  }

  /** Sends what there is, now. */
  flush(): void {
    clearTimeout(this.#timer)
    this.#timer = undefined
    if (this.#size === 0) return
    const activities = [...this.#byMetadata.values()].flatMap((keys) => [...keys.values()])
    this.#byMetadata = new Map()
    this.#size = 0
    this.#send(activities)
  }

  #of(key: string, metadata: Metadata): Mutable<Activity> {
    const keys = this.#byMetadata.get(metadata)
    return keys?.get(key) ?? this.#add(key, metadata, keys ?? new Map())
  }

  #add(key: string, metadata: Metadata, keys: Map<string, Mutable<Activity>>): Mutable<Activity> {
    if (this.#size >= largest) {
      this.flush()
      return this.#of(key, metadata)
    }
    const activity = { key, metadata, tracked: false, connected: 0, disconnected: 0 }
    this.#byMetadata.set(metadata, keys.set(key, activity))
    this.#size++
    this.#timer ??= setTimeout(() => this.flush(), delayMs).unref()
    return activity
  }
}
