import type { RequestEndEvent } from '@proxy/kernel'
import { bucketOf, newCounts, type SampleStore } from './samples.ts'

/** HTTP requests that are alike: a histogram of their durations. */
export interface RequestSample {
  readonly listener: string
  readonly method: string
  readonly status: number
  readonly version: string
  /** Sum of the durations, in seconds. */
  seconds: number
  readonly counts: number[]
}

const methods: ReadonlySet<string> = new Set('GET HEAD POST PUT DELETE CONNECT OPTIONS TRACE PATCH QUERY'.split(' '))

/** What stands for a method that nobody knows (OpenTelemetry's semantic conventions). */
export const otherMethod = '_OTHER'

export const knownMethod = (method: string): string => (methods.has(method) ? method : otherMethod)

/** One lookup and one observation for each request: whatever is shown of requests is added up from here. */
export class RequestSeries {
  readonly #listeners = new Map<string, Map<string, Map<number, RequestSample>>>()
  /** Many requests are like the one before. */
  #last: RequestSample | undefined = undefined

  observe(event: RequestEndEvent): void {
    const seconds = event.durationMs / 1_000
    const last = this.#last
    const sample = last !== undefined && isOf(event, last) ? last : (this.#last = this.#sampleOf(event))
    sample.seconds += seconds
    sample.counts[bucketOf(seconds)]! += 1
  }

  list(): readonly RequestSample[] {
    return [...this.#listeners.values()].flatMap((byMethod) =>
      [...byMethod.values()].flatMap((byStatus) => [...byStatus.values()]),
    )
  }

  /** Adds the metrics that Prometheus sees. */
  addTo(store: SampleStore): void {
    for (const { listener, status, version, seconds, counts } of this.list()) {
      store.add('requests', [listener, version, String(status)], sumOf(counts))
      store.addHistogram('requestSeconds', [listener], seconds, counts)
    }
  }

  #sampleOf(event: RequestEndEvent): RequestSample {
    const { listener, version } = event
    const method = knownMethod(event.method)
    // Three digits and one of three versions.
    const status = event.status >= 0 && event.status < 1_000 ? event.status : 0
    const code = status * 4 + versionIndex(version)
    let byMethod = this.#listeners.get(listener)
    if (byMethod === undefined) this.#listeners.set(listener, (byMethod = new Map()))
    let byCode = byMethod.get(method)
    if (byCode === undefined) byMethod.set(method, (byCode = new Map()))
    const known = byCode.get(code)
    if (known !== undefined) return known
    const sample: RequestSample = { listener, method, status, version, seconds: 0, counts: newCounts() }
    byCode.set(code, sample)
    return sample
  }
}

/** Of a method or a status that nobody knows: no, for it is counted under another name. */
const isOf = ({ listener, method, status, version }: RequestEndEvent, sample: RequestSample): boolean =>
  status === sample.status && method === sample.method && version === sample.version && listener === sample.listener

const versionIndex = (version: RequestEndEvent['version']): number => (version === '1.1' ? 0 : version === '2' ? 1 : 2)

export const sumOf = (counts: readonly number[]): number => counts.reduce((sum, count) => sum + count, 0)
