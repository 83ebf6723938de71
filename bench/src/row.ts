import { median, pairedRatios, type Spread, spread } from './stats.ts'

/** What one measured span of one subject gave. */
export interface Sample {
  /** In the workload's unit. */
  readonly value: number
  /** The same work divided by the CPU seconds that the proxy's processes used for it. */
  readonly perProxyCpuSecond?: number
  readonly p50Us?: number
  readonly p99Us?: number
}

/** A line of the table and of the JSON file. */
export interface Row {
  readonly suite: string
  /** Of the workload, for the command line. */
  readonly id: string
  readonly workload: string
  readonly subject: string
  readonly version: string
  /** Median over the rounds; null when a run failed: a failed subject has no figures at all. */
  readonly value: number | null
  readonly unit: string
  readonly perProxyCpuSecond: number | null
  /**
   * To the suite's reference, of `perProxyCpuSecond` where there is one, else of `value`; median of the rounds' ratios.
   */
  readonly ratio: number | null
  readonly ratioMin: number | null
  readonly ratioMax: number | null
  /** Of what the ratio is made of. */
  readonly min: number | null
  readonly max: number | null
  readonly p50Us: number | null
  readonly p99Us: number | null
  /** Beyond that of a direct connection, where one was measured: median of the rounds' differences. */
  readonly addedP50Us: number | null
  readonly addedP99Us: number | null
  readonly rounds: number
  /** Round by round. */
  readonly samples: readonly Sample[]
  /** Why there are no figures. */
  readonly failed: string | null
}

export interface RowName {
  readonly suite: string
  readonly id: string
  readonly workload: string
  readonly subject: string
  readonly version: string
  readonly unit: string
}

const medianOf = (samples: readonly Sample[], read: (sample: Sample) => number | undefined): number | null => {
  const values = samples.map(read).filter((value) => value !== undefined)
  return values.length === 0 ? null : median(values)
}

const perCpu = (samples: readonly Sample[]): number[] | undefined => {
  const values = samples.flatMap((sample) => sample.perProxyCpuSecond ?? [])
  return values.length > 0 && values.length === samples.length ? values : undefined
}

const values = (samples: readonly Sample[]): number[] => samples.map((sample) => sample.value)

/** Ratios of a throughput without CPU time (a direct connection) to one with are of no meaning, so there are none. */
export const ratiosTo = (samples: readonly Sample[], reference: readonly Sample[]): number[] => {
  const mine = perCpu(samples)
  const theirs = perCpu(reference)
  if (mine !== undefined && theirs !== undefined) return pairedRatios(mine, theirs)
  return mine === undefined && theirs === undefined ? pairedRatios(values(samples), values(reference)) : []
}

const spreadOrNone = (numbers: readonly number[]): Spread | undefined =>
  numbers.length === 0 ? undefined : spread(numbers)

/** Round by round, as ratios are: what disturbed the machine for longer disturbed both. */
const addedTo = (
  samples: readonly Sample[],
  direct: readonly Sample[],
  read: (sample: Sample) => number | undefined,
): number | null => {
  const added = samples.flatMap((sample, round) => {
    const [mine, theirs] = [read(sample), direct[round] && read(direct[round])]
    return mine === undefined || theirs === undefined ? [] : [mine - theirs]
  })
  return added.length === 0 ? null : median(added)
}

/**
 * One row out of a subject's rounds. `reference` holds the reference's samples of the same rounds, none if it failed;
 * `direct` those of a direct connection, none for that itself.
 */
export const measuredRow = (
  name: RowName,
  samples: readonly Sample[],
  reference: readonly Sample[],
  direct: readonly Sample[] = [],
): Row => {
  const ratio = spreadOrNone(ratiosTo(samples, reference))
  const main = spread(perCpu(samples) ?? values(samples))
  return {
    ...name,
    value: median(values(samples)),
    perProxyCpuSecond: medianOf(samples, (sample) => sample.perProxyCpuSecond),
    ratio: ratio?.median ?? null,
    ratioMin: ratio?.min ?? null,
    ratioMax: ratio?.max ?? null,
    min: main.min,
    max: main.max,
    p50Us: medianOf(samples, (sample) => sample.p50Us),
    p99Us: medianOf(samples, (sample) => sample.p99Us),
    addedP50Us: addedTo(samples, direct, (sample) => sample.p50Us),
    addedP99Us: addedTo(samples, direct, (sample) => sample.p99Us),
    rounds: samples.length,
    samples,
    failed: null,
  }
}

export const failedRow = (name: RowName, reason: string): Row => ({
  ...name,
  value: null,
  perProxyCpuSecond: null,
  ratio: null,
  ratioMin: null,
  ratioMax: null,
  min: null,
  max: null,
  p50Us: null,
  p99Us: null,
  addedP50Us: null,
  addedP99Us: null,
  rounds: 0,
  samples: [],
  failed: reason,
})
