/** An object of the API, as JSON. */
export interface ApiObject {
  readonly apiVersion?: string
  readonly kind: string
  metadata: {
    name: string
    namespace: string
    resourceVersion?: string
    labels?: Record<string, string>
    annotations?: Record<string, string>
  }
  spec?: Record<string, unknown>
  [field: string]: unknown
}

export interface Change {
  readonly version: number
  readonly type: 'ADDED' | 'MODIFIED' | 'DELETED'
  readonly resource: string
  readonly object: ApiObject
}

/** Objects with one version counter for all of them, and the history that watches are served from. */
export class ObjectStore {
  readonly #objects = new Map<string, ApiObject>()
  readonly #listeners = new Set<(change: Change) => void>()
  #history: Change[] = []
  /** Versions up to this one are forgotten. */
  compacted = 0
  version = 100

  onChange(listener: (change: Change) => void): () => void {
    this.#listeners.add(listener)
    return () => void this.#listeners.delete(listener)
  }

  get(resource: string, namespace: string, name: string): ApiObject | undefined {
    return this.#objects.get(`${resource}/${namespace}/${name}`)
  }

  list(resource: string, namespace: string | undefined): ApiObject[] {
    const entries = [...this.#objects].filter(([path]) => path.startsWith(`${resource}/`))
    return entries
      .map(([, object]) => object)
      .filter(({ metadata }) => (namespace ?? metadata.namespace) === metadata.namespace)
  }

  put(resource: string, object: ApiObject): ApiObject {
    const { namespace, name } = object.metadata
    const type = this.get(resource, namespace, name) === undefined ? 'ADDED' : 'MODIFIED'
    return this.#record(type, resource, object)
  }

  delete(resource: string, namespace: string, name: string): void {
    const object = this.get(resource, namespace, name)
    if (object !== undefined) this.#record('DELETED', resource, object)
  }

  since(version: number): readonly Change[] {
    return this.#history.filter((change) => change.version > version)
  }

  /** Forgets the history: a watch from an older version is answered 410. */
  compact(): void {
    this.compacted = this.version
    this.#history = []
  }

  #record(type: Change['type'], resource: string, object: ApiObject): ApiObject {
    const version = ++this.version
    const stored: ApiObject = { ...object, metadata: { ...object.metadata, resourceVersion: String(version) } }
    const path = `${resource}/${object.metadata.namespace}/${object.metadata.name}`
    if (type === 'DELETED') this.#objects.delete(path)
    else this.#objects.set(path, stored)
    const change = { version, type, resource, object: stored }
    this.#history.push(change)
    for (const listener of this.#listeners) listener(change)
    return stored
  }
}

export function selects(selector: string | null, labels: Readonly<Record<string, string>> = {}): boolean {
  if (selector === null || selector === '') return true
  return selector.split(',').every((term) => {
    const [, name = '', operator, value] = /^([^!=]+)(?:(!?=)(.*))?$/.exec(term) ?? []
    if (operator === undefined) return labels[name] !== undefined
    return (labels[name] === value) === (operator === '=')
  })
}

/** RFC 7386. */
export function merged(target: unknown, patch: unknown): unknown {
  if (typeof patch !== 'object' || patch === null || Array.isArray(patch)) return patch
  const result: Record<string, unknown> = typeof target === 'object' && target !== null ? { ...target } : {}
  for (const [key, value] of Object.entries(patch)) {
    if (value === null) delete result[key]
    else result[key] = merged(result[key], value)
  }
  return result
}
