import { ratiosTo, type Sample } from '../row.ts'
import { median, pairedRatios, type Spread, spread } from '../stats.ts'
import { direct } from '../subjects/direct.ts'
import { type MeasuredWorkload, type Report, samplesOf, workloadIn } from './data.ts'

/** One subject's figure in one workload; undefined when it was not measured, or failed. */
export type Figure = (report: Report, subject: string) => Spread | undefined

const spreadOf = (numbers: readonly number[]): Spread | undefined =>
  numbers.length === 0 ? undefined : spread(numbers)

const perCpu = (samples: readonly Sample[]): number =>
  samples.length === 0 ? 0 : median(samples.map((sample) => sample.perProxyCpuSecond ?? sample.value))

const best = (workload: MeasuredWorkload | undefined, names: readonly string[]): readonly Sample[] =>
  names.map((name) => samplesOf(workload, name)).toSorted((a, b) => perCpu(b) - perCpu(a))[0] ?? []

/** To the best of some references. */
export const ratioTo =
  (suite: string, id: string, references: readonly string[]): Figure =>
  (report, subject) => {
    const workload = workloadIn(report, suite, id)
    return spreadOf(ratiosTo(samplesOf(workload, subject), best(workload, references)))
  }

const p99s = (samples: readonly Sample[]): number[] => samples.flatMap(({ p99Us }) => p99Us ?? [])

/** Of the 99th percentile: less is better. */
export const p99To =
  (suite: string, id: string, reference: string): Figure =>
  (report, subject) => {
    const workload = workloadIn(report, suite, id)
    return spreadOf(pairedRatios(p99s(samplesOf(workload, subject)), p99s(samplesOf(workload, reference))))
  }

export const valueOf =
  (suite: string, id: string): Figure =>
  (report, subject) =>
    spreadOf(samplesOf(workloadIn(report, suite, id), subject).map(({ value }) => value))

/** Microseconds that a subject adds to the median of a direct connection. */
export const addedP50 =
  (suite: string, id: string): Figure =>
  (report, subject) => {
    const workload = workloadIn(report, suite, id)
    const unproxied = samplesOf(workload, direct.name)
    return spreadOf(
      samplesOf(workload, subject).flatMap(({ p50Us }, round) => {
        const theirs = unproxied[round]?.p50Us
        return p50Us === undefined || theirs === undefined ? [] : [p50Us - theirs]
      }),
    )
  }

/** Work for each second of the proxy's CPU time. */
export const perCpuSecond =
  (suite: string, id: string): Figure =>
  (report, subject) =>
    spreadOf(
      samplesOf(workloadIn(report, suite, id), subject).flatMap(({ perProxyCpuSecond }) => perProxyCpuSecond ?? []),
    )
