import type { ContainerDetails, ContainerEvent, ContainerSummary } from './wire.ts'

/** A container that the engine has told of. */
export interface Entry {
  readonly id: string
  readonly name: string
  readonly keys: readonly string[]
  /** The latest that is known; `fresh` until an event says that it has changed. */
  details: ContainerDetails | undefined
  fresh: boolean
  /** Grows with every event, so that an answer that was overtaken by one is not taken for fresh. */
  generation: number
}

type Changed = (name: string) => void

/** The containers that may be asked for, by name and by key. As many as the engine has. */
export class Roster {
  readonly #label: string
  readonly #byId = new Map<string, Entry>()
  readonly #byName = new Map<string, Entry>()
  readonly #byKey = new Map<string, Entry[]>()
  readonly #listeners = new Set<Changed>()

  /** `label` holds the keys of a container. */
  constructor(label: string) {
    this.#label = label
  }

  get size(): number {
    return this.#byId.size
  }

  first(count: number): Entry[] {
    return [...this.#byId.values()].slice(0, count)
  }

  named(name: string): Entry | undefined {
    return this.#byName.get(name)
  }

  /** Where several containers claim a key: the first one that runs, else the first, by name. */
  keyed(key: string): Entry | undefined {
    const entries = this.#byKey.get(key)
    return entries?.find(({ details }) => details?.State.Status === 'running') ?? entries?.[0]
  }

  onChange(listener: Changed): () => void {
    this.#listeners.add(listener)
    return () => void this.#listeners.delete(listener)
  }

  /** What there is now, after nothing was heard for a while: all of it may have changed. */
  replace(containers: readonly ContainerSummary[]): void {
    const present = new Set(containers.map(({ Id }) => Id))
    for (const entry of this.#byId.values()) {
      if (present.has(entry.id)) this.stale(entry)
      else this.#remove(entry)
    }
    for (const { Id, Names, Labels } of containers) this.#know(Id, Names[0] ?? Id, Labels ?? {})
  }

  apply({ Action, Actor }: ContainerEvent): void {
    const known = this.#byId.get(Actor.ID)
    if (Action === 'destroy') {
      if (known !== undefined) this.#remove(known)
      return
    }
    const { name, ...labels } = Actor.Attributes ?? {}
    if (known !== undefined) this.stale(known)
    if (name !== undefined) this.#know(Actor.ID, name, labels)
  }

  /** What is known of it was overtaken. */
  stale(entry: Entry): void {
    entry.fresh = false
    entry.generation++
    this.#tell(entry.name)
  }

  #know(id: string, slashed: string, labels: Readonly<Record<string, string>>): void {
    const name = slashed.replace(/^\//, '')
    const known = this.#byId.get(id)
    if (known?.name === name) return
    if (known !== undefined) this.#remove(known)
    const keys = (labels[this.#label] ?? '').split(',').flatMap((key) => key.trim() || [])
    const entry: Entry = { id, name, keys, details: undefined, fresh: false, generation: 0 }
    this.#byId.set(id, entry)
    this.#byName.set(name, entry)
    for (const key of keys) this.#claim(key, entry)
    this.#tell(name)
  }

  #claim(key: string, entry: Entry): void {
    const entries = [...(this.#byKey.get(key) ?? []), entry]
    this.#byKey.set(
      key,
      entries.sort((one, other) => (one.name < other.name ? -1 : 1)),
    )
  }

  #remove(entry: Entry): void {
    entry.generation++
    this.#byId.delete(entry.id)
    // Its name may have gone to another container by now.
    if (this.#byName.get(entry.name) === entry) this.#byName.delete(entry.name)
    for (const key of entry.keys) {
      const rest = (this.#byKey.get(key) ?? []).filter((other) => other !== entry)
      if (rest.length === 0) this.#byKey.delete(key)
      else this.#byKey.set(key, rest)
    }
    this.#tell(entry.name)
  }

  #tell(name: string): void {
    for (const listener of this.#listeners) listener(name)
  }
}
