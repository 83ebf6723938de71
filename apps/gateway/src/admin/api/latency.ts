import { durationBuckets, type MetricKey, type Sample, type Samples } from '@proxy/telemetry'

export interface Histogram {
  /** Observations in each bucket of `boundsMs`, and above the last. */
  readonly counts: readonly number[]
  readonly count: number
  readonly sumMs: number
  /** Estimates, in milliseconds; null: nothing was observed. */
  readonly p50: number | null
  readonly p95: number | null
  readonly p99: number | null
}

export interface LatencyView {
  /** Upper bounds of the buckets, in milliseconds. */
  readonly boundsMs: readonly number[]
  /** Over all listeners. */
  readonly all: Readonly<Record<string, Histogram>>
  readonly listeners: Readonly<Record<string, Readonly<Record<string, Histogram>>>>
}

/** What is measured as a whole, by the metric that it is read from. */
const wholes: Readonly<Record<string, MetricKey>> = {
  route: 'routeSeconds',
  dial: 'dialSeconds',
  setup: 'setupSeconds',
  request: 'requestSeconds',
}

const boundsMs = durationBuckets.map((bound) => bound * 1_000)

/** Since the gateway started: of two answers, the difference is what happened in between. */
export function latencyOf(samples: Samples): LatencyView {
  const rows = rowsOf(samples)
  const names = [...new Set(rows.map(({ listener }) => listener))]
  return {
    boundsMs,
    all: byPart(rows),
    listeners: Object.fromEntries(
      names.map((name) => [name, byPart(rows.filter(({ listener }) => listener === name))]),
    ),
  }
}

interface Row {
  readonly part: string
  readonly listener: string
  readonly sample: Sample
}

function rowsOf(samples: Samples): Row[] {
  const whole = Object.entries(wholes).flatMap(([part, metric]) =>
    (samples[metric] ?? []).map((sample) => ({ part, listener: sample.labels[0] ?? '', sample })),
  )
  const split = (samples.sessionPartSeconds ?? []).map((sample) => ({
    part: sample.labels[2] ?? '',
    listener: sample.labels[0] ?? '',
    sample,
  }))
  return [...whole, ...split]
}

function byPart(rows: readonly Row[]): Record<string, Histogram> {
  const parts = [...new Set(rows.map(({ part }) => part))]
  return Object.fromEntries(
    parts.map((part) => [part, histogramOf(rows.flatMap((row) => (row.part === part ? [row.sample] : [])))]),
  )
}

function histogramOf(samples: readonly Sample[]): Histogram {
  const counts = new Array<number>(boundsMs.length + 1).fill(0)
  for (const sample of samples) for (const [bucket, count] of (sample.counts ?? []).entries()) counts[bucket]! += count
  const quantile = (q: number): number | null => quantileOf(counts, q)
  return {
    counts,
    count: counts.reduce((sum, count) => sum + count, 0),
    sumMs: samples.reduce((sum, { value }) => sum + value * 1_000, 0),
    p50: quantile(0.5),
    p95: quantile(0.95),
    p99: quantile(0.99),
  }
}

/** As if the observations of a bucket were spread evenly over it; above the last bound: that bound. */
function quantileOf(counts: readonly number[], q: number): number | null {
  const total = counts.reduce((sum, count) => sum + count, 0)
  if (total === 0) return null
  let rank = q * total
  for (const [bucket, count] of counts.entries()) {
    if (rank <= count && count > 0) {
      const from = boundsMs[bucket - 1] ?? 0
      const to = boundsMs[bucket] ?? from
      return Math.round((from + ((to - from) * rank) / count) * 1_000) / 1_000
    }
    rank -= count
  }
  return boundsMs.at(-1) ?? null
}
