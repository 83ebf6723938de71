import { durationBuckets, type MetricKey } from './metrics.ts'

/** One series of a counter or gauge (`value`), or of a histogram (`counts` per bucket and one above, `value` the sum). */
export interface Sample {
  readonly labels: readonly string[]
  value: number
  counts?: number[]
}

/** Samples by metric; survives JSON. */
export type Samples = Partial<Record<MetricKey, Sample[]>>

const separator = '\u0000'

/** Series of this process, or the sum over several. */
export class SampleStore {
  readonly #metrics = new Map<MetricKey, Map<string, Sample>>()

  add(metric: MetricKey, labels: readonly string[], value = 1): void {
    this.#sample(metric, labels).value += value
  }

  /** Adds a duration in milliseconds to a histogram of seconds. */
  observe(metric: MetricKey, labels: readonly string[], durationMs: number): void {
    const sample = this.#sample(metric, labels)
    const seconds = durationMs / 1_000
    sample.value += seconds
    sample.counts ??= new Array<number>(durationBuckets.length + 1).fill(0)
    sample.counts[bucketOf(seconds)]! += 1
  }

  merge(samples: Samples): void {
    for (const [metric, list] of Object.entries(samples)) {
      for (const sample of list) this.#mergeSample(metric as MetricKey, sample)
    }
  }

  snapshot(): Samples {
    return Object.fromEntries([...this.#metrics].map(([metric, series]) => [metric, [...series.values()]]))
  }

  #mergeSample(metric: MetricKey, from: Sample): void {
    const sample = this.#sample(metric, from.labels)
    sample.value += from.value
    const before = sample.counts
    if (from.counts !== undefined) sample.counts = from.counts.map((count, bucket) => count + (before?.[bucket] ?? 0))
  }

  #sample(metric: MetricKey, labels: readonly string[]): Sample {
    let series = this.#metrics.get(metric)
    if (series === undefined) this.#metrics.set(metric, (series = new Map()))
    const key = labels.length === 1 ? labels[0]! : labels.join(separator)
    let sample = series.get(key)
    if (sample === undefined) series.set(key, (sample = { labels: [...labels], value: 0 }))
    return sample
  }
}

function bucketOf(seconds: number): number {
  let bucket = 0
  while (bucket < durationBuckets.length && seconds > durationBuckets[bucket]!) bucket++
  return bucket
}
