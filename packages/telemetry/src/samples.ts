import { durationBuckets, type MetricKey } from './metrics.ts'

/** One series of a counter or gauge (`value`), or of a histogram (`counts` per bucket and one above, `value` the sum). */
export interface Sample {
  readonly labels: readonly string[]
  value: number
  counts?: number[]
}

/** Samples by metric; survives JSON. */
export type Samples = Partial<Record<MetricKey, Sample[]>>

/** Series by one label after the other: no key has to be put together for every event. */
interface Branch {
  readonly next: Map<string, Branch>
  sample: Sample | undefined
}

const branch = (): Branch => ({ next: new Map(), sample: undefined })

/** Series of this process, or the sum over several. */
export class SampleStore {
  readonly #metrics = new Map<MetricKey, Branch>()

  add(metric: MetricKey, labels: readonly string[], value = 1): void {
    this.#sample(metric, labels).value += value
  }

  /** Adds a duration in milliseconds to a histogram of seconds. */
  observe(metric: MetricKey, labels: readonly string[], durationMs: number): void {
    observeInto(this.#sample(metric, labels), durationMs)
  }

  /** The series itself, for whoever adds to it so often that looking it up would cost. */
  series(metric: MetricKey, labels: readonly string[]): Sample {
    return this.#sample(metric, labels)
  }

  /** Adds a whole histogram; `sum` in seconds. */
  addHistogram(metric: MetricKey, labels: readonly string[], sum: number, counts: readonly number[]): void {
    this.#mergeSample(metric, { labels, value: sum, counts: [...counts] })
  }

  merge(samples: Samples): void {
    for (const [metric, list] of Object.entries(samples)) {
      for (const sample of list) this.#mergeSample(metric as MetricKey, sample)
    }
  }

  snapshot(): Samples {
    return Object.fromEntries([...this.#metrics].map(([metric, series]) => [metric, [...samplesOf(series)]]))
  }

  #mergeSample(metric: MetricKey, from: Sample): void {
    const sample = this.#sample(metric, from.labels)
    sample.value += from.value
    const before = sample.counts
    if (from.counts !== undefined) sample.counts = from.counts.map((count, bucket) => count + (before?.[bucket] ?? 0))
  }

  #sample(metric: MetricKey, labels: readonly string[]): Sample {
    const root = this.#metrics.get(metric)
    let at: Branch = root ?? branch()
    if (root === undefined) this.#metrics.set(metric, at)
    for (const label of labels) {
      let next: Branch | undefined = at.next.get(label)
      if (next === undefined) at.next.set(label, (next = branch()))
      at = next
    }
    return (at.sample ??= { labels: [...labels], value: 0 })
  }
}

function* samplesOf({ sample, next }: Branch): Generator<Sample> {
  if (sample !== undefined) yield sample
  for (const child of next.values()) yield* samplesOf(child)
}

/** Adds a duration in milliseconds to a series of a histogram. */
export function observeInto(sample: Sample, durationMs: number): void {
  const seconds = durationMs / 1_000
  sample.value += seconds
  sample.counts ??= newCounts()
  sample.counts[bucketOf(seconds)]! += 1
}

/** Of an empty histogram. */
export const newCounts = (): number[] => new Array<number>(durationBuckets.length + 1).fill(0)

export function bucketOf(seconds: number): number {
  let bucket = 0
  while (bucket < durationBuckets.length && seconds > durationBuckets[bucket]!) bucket++
  return bucket
}
