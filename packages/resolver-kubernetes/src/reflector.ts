import { setTimeout as delay } from 'node:timers/promises'
import type { KubernetesListObject, KubernetesObject, Watch } from '@kubernetes/client-node'
import { explained, statusOf } from './api.ts'
import { unlessAborted } from './unless-aborted.ts'

const FIRST_PAUSE_MS = 100
const LONGEST_PAUSE_MS = 10_000
const LONG_WATCH_MS = 1_000
const LIST_TIMEOUT_MS = 30_000

export interface Source<T extends KubernetesObject> {
  /** For errors: `list services in tenants`. */
  readonly what: string
  readonly path: string
  readonly labelSelector: string | undefined
  list(): Promise<KubernetesListObject<T>>
  /** Everything there is. */
  replace(objects: readonly T[]): void
  apply(object: T, deleted: boolean): void
}

/**
 * Keeps a copy of a list like the API server's: lists, watches from there on, and lists anew when the server has forgotten what
 * came since (410) or could not be reached.
 */
export class Reflector<T extends KubernetesObject> {
  readonly #watch: Watch
  readonly #source: Source<T>
  readonly #closing = new AbortController()
  #first = handled(Promise.withResolvers<void>())
  #running: Promise<void> | undefined
  #live = false
  #lists = 0
  #error: Error | undefined
  #version = ''

  constructor(watch: Watch, source: Source<T>) {
    this.#watch = watch
    this.#source = source
  }

  get live(): boolean {
    return this.#live
  }

  /** How often everything was listed. */
  get lists(): number {
    return this.#lists
  }

  get error(): Error | undefined {
    return this.#error
  }

  /** Settles when everything was listed once; rejects when the latest attempt to do so failed. */
  started(): Promise<void> {
    this.#running ??= this.#run()
    return this.#first.promise
  }

  async close(): Promise<void> {
    this.#closing.abort()
    this.#first.reject(new Error('the resolver is closed'))
    await this.#running
  }

  async #run(): Promise<void> {
    const { signal } = this.#closing
    for (let failures = 0; !signal.aborted; ) {
      const began = performance.now()
      try {
        await this.#follow()
        failures = performance.now() - began > LONG_WATCH_MS ? 0 : failures + 1
      } catch (error) {
        if (signal.aborted) return
        this.#lost(error)
        failures++
      }
      if (failures > 0) await this.#pause(failures)
    }
  }

  /** One watch, until the server or silence ends it; before it the list, where that is needed. */
  async #follow(): Promise<void> {
    if (this.#version === '') await this.#list()
    await this.#watchOnce()
  }

  async #list(): Promise<void> {
    if (this.#lists === 0 && this.#error !== undefined) this.#first = handled(Promise.withResolvers<void>())
    const { items, metadata } = await this.#listed()
    this.#source.replace(items)
    this.#version = metadata?.resourceVersion ?? ''
    this.#lists++
    this.#live = true
    this.#error = undefined
    this.#first.resolve()
  }

  #listed(): Promise<KubernetesListObject<T>> {
    const signal = AbortSignal.any([this.#closing.signal, AbortSignal.timeout(LIST_TIMEOUT_MS)])
    return unlessAborted(this.#source.list(), signal)
  }

  async #watchOnce(): Promise<void> {
    const { signal } = this.#closing
    const { promise, resolve, reject } = Promise.withResolvers<void>()
    const { path, labelSelector } = this.#source
    const query = { allowWatchBookmarks: true, resourceVersion: this.#version, labelSelector }
    const seen = (phase: string, object: T & { readonly code?: number }): void => this.#seen(phase, object, reject)
    const watching = this.#watch.watch(path, query, seen, (error) => {
      // Silence is how a quiet watch ends: the next one goes on from the same version.
      if (error === null || error === undefined || (error as Error).name === 'TimeoutError') resolve()
      else reject(error as Error)
    })
    watching.catch(reject)
    try {
      await unlessAborted(promise, signal)
    } finally {
      watching.then(
        (controller) => controller.abort(),
        () => undefined,
      )
    }
  }

  #seen(phase: string, object: T & { readonly code?: number }, reject: (error: Error) => void): void {
    if (phase === 'ERROR') {
      reject(Object.assign(new Error('the watch failed'), { code: object.code }))
      return
    }
    if (this.#closing.signal.aborted) return
    this.#version = object.metadata?.resourceVersion ?? this.#version
    if (phase !== 'BOOKMARK') this.#source.apply(object, phase === 'DELETED')
  }

  #lost(error: unknown): void {
    // Its history is gone, or its end is unknown: either way the list says what is.
    this.#version = ''
    if (statusOf(error) === 410) return
    this.#live = false
    this.#error = explained(error, this.#source.what)
    this.#first.reject(this.#error)
  }

  async #pause(failures: number): Promise<void> {
    const pauseMs = Math.min(LONGEST_PAUSE_MS, FIRST_PAUSE_MS * 2 ** Math.min(failures - 1, 10))
    const { signal } = this.#closing
    await delay(pauseMs * (0.5 + Math.random() / 2), undefined, { signal, ref: false }).catch(() => undefined)
  }
}

/** Whoever waits sees the rejection; when nobody does it is no error of the process. */
function handled<T extends { readonly promise: Promise<unknown> }>(resolvers: T): T {
  resolvers.promise.catch(() => undefined)
  return resolvers
}
