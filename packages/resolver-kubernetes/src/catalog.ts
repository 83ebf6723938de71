import type { V1EndpointSlice, V1Service } from '@kubernetes/client-node'

const SERVICE_NAME = 'kubernetes.io/service-name'
const KEY = 'proxy/key'

export interface Known {
  /** `namespace/name`. */
  readonly id: string
  readonly service: V1Service
  readonly slices: Iterable<V1EndpointSlice>
}

type Named = Pick<V1Service, 'metadata'>

/** Services with their EndpointSlices, by name and by key. As many as the cluster has. */
export class Catalog {
  readonly #services = new Map<string, V1Service>()
  /** By Service, then by the slice's own name. */
  readonly #slices = new Map<string, Map<string, V1EndpointSlice>>()
  readonly #byKey = new Map<string, string[]>()
  readonly #listeners = new Set<(id: string) => void>()

  get size(): number {
    return this.#services.size
  }

  named(id: string): Known | undefined {
    const service = this.#services.get(id)
    return service === undefined ? undefined : { id, service, slices: this.#slices.get(id)?.values() ?? [] }
  }

  /** Where several Services claim a key, the first by name. */
  keyed(key: string): Known | undefined {
    const id = this.#byKey.get(key)?.[0]
    return id === undefined ? undefined : this.named(id)
  }

  first(count: number): Known[] {
    return [...this.#services.keys()].slice(0, count).flatMap((id) => this.named(id) ?? [])
  }

  onChange(listener: (id: string) => void): () => void {
    this.#listeners.add(listener)
    return () => void this.#listeners.delete(listener)
  }

  replaceServices(services: readonly V1Service[]): void {
    const present = new Set(services.map(idOf))
    for (const [id, service] of this.#services) if (!present.has(id)) this.applyService(service, true)
    for (const service of services) this.applyService(service, false)
  }

  applyService(service: V1Service, deleted: boolean): void {
    const id = idOf(service)
    const before = this.#services.get(id)
    if (!deleted && before !== undefined && versionOf(before) === versionOf(service)) return
    for (const key of keysOf(before)) this.#unclaim(key, id)
    if (deleted) this.#services.delete(id)
    else this.#services.set(id, service)
    if (!deleted) for (const key of keysOf(service)) this.#claim(key, id)
    this.#tell(id)
  }

  replaceSlices(slices: readonly V1EndpointSlice[]): void {
    const present = new Set(slices.map(idOf))
    for (const known of [...this.#slices.values()].flatMap((byName) => [...byName.values()])) {
      if (!present.has(idOf(known))) this.applySlice(known, true)
    }
    for (const slice of slices) this.applySlice(slice, false)
  }

  applySlice(slice: V1EndpointSlice, deleted: boolean): void {
    const owner = slice.metadata?.labels?.[SERVICE_NAME]
    if (owner === undefined) return
    const id = `${slice.metadata?.namespace}/${owner}`
    const slices = this.#slices.get(id) ?? new Map<string, V1EndpointSlice>()
    const before = slices.get(idOf(slice))
    if (!deleted && before !== undefined && versionOf(before) === versionOf(slice)) return
    if (deleted) slices.delete(idOf(slice))
    else slices.set(idOf(slice), slice)
    if (slices.size === 0) this.#slices.delete(id)
    else this.#slices.set(id, slices)
    this.#tell(id)
  }

  #claim(key: string, id: string): void {
    this.#byKey.set(key, [...(this.#byKey.get(key) ?? []), id].sort())
  }

  #unclaim(key: string, id: string): void {
    const rest = (this.#byKey.get(key) ?? []).filter((other) => other !== id)
    if (rest.length === 0) this.#byKey.delete(key)
    else this.#byKey.set(key, rest)
  }

  #tell(id: string): void {
    for (const listener of this.#listeners) listener(id)
  }
}

const idOf = ({ metadata }: Named): string => `${metadata?.namespace}/${metadata?.name}`
const versionOf = ({ metadata }: Named): string | undefined => metadata?.resourceVersion

export function keysOf(service: V1Service | undefined): string[] {
  const list = service?.metadata?.annotations?.[KEY] ?? ''
  return [...new Set(list.split(',').flatMap((key) => key.trim() || []))]
}
