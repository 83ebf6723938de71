/** Something that happened, as /api/v1/events tells it. */
export interface LoggedEvent {
  /** Grows by one with every event. */
  readonly id: number
  /** Milliseconds since the epoch. */
  readonly at: number
  readonly kind: string
  readonly facts: Readonly<Record<string, unknown>>
}

const kept = 100

/** The latest events, and those who want the next ones. */
export class EventLog {
  readonly #listeners = new Set<(event: LoggedEvent) => void>()
  #events: LoggedEvent[] = []
  #nextId = 1

  add(kind: string, facts: LoggedEvent['facts'] = {}): void {
    const event = { id: this.#nextId++, at: Date.now(), kind, facts }
    this.#events = [...this.#events.slice(1 - kept), event]
    for (const listener of this.#listeners) listener(event)
  }

  /** Events after the one with that id, oldest first, as far as they are still known. */
  after(id: number): readonly LoggedEvent[] {
    return this.#events.filter((event) => event.id > id)
  }

  subscribe(listener: (event: LoggedEvent) => void): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }
}
