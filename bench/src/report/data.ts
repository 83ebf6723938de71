import type { Measured } from '../measure.ts'
import { failedRow, measuredRow, type Row, type Sample } from '../row.ts'
import { direct } from '../subjects/direct.ts'
import type { Suite } from '../suite.ts'
import type { Machine } from './machine.ts'

/** What one subject gave, round by round. */
export interface Entry {
  readonly subject: string
  readonly version: string
  readonly samples: readonly Sample[]
  readonly failed?: string
}

export interface MeasuredWorkload {
  readonly suite: string
  readonly id: string
  readonly workload: string
  readonly unit: string
  readonly reference: string
  readonly seconds: number
  readonly date: string
  readonly entries: readonly Entry[]
}

/** Everything that the last runs on one machine have measured. Tables, chart and model are made of it. */
export interface Report {
  readonly machine: Machine
  readonly workloads: readonly MeasuredWorkload[]
}

const entryOf = ({ subject, version, samples, failed }: Row): Entry => ({
  subject,
  version,
  samples,
  ...(failed === null ? {} : { failed }),
})

/** What a run adds to the report. */
export const workloadsOf = ({ suite, plan, rows }: Measured, date: string): MeasuredWorkload[] =>
  [...Map.groupBy(rows, ({ id }) => id)].map(([id, group]) => ({
    suite: suite.name,
    id,
    workload: group[0]!.workload,
    unit: group[0]!.unit,
    reference: suite.reference,
    seconds: plan.seconds,
    date,
    entries: group.map(entryOf),
  }))

const isSame = (a: MeasuredWorkload, b: MeasuredWorkload): boolean => a.suite === b.suite && a.id === b.id

/** Workloads that were measured again are replaced. Figures of two machines are never in one report. */
export const merged = (report: Report | undefined, machine: Machine, fresh: readonly MeasuredWorkload[]): Report => {
  const known = report !== undefined && sameMachine(report.machine, machine) ? report.workloads : []
  const kept = known.map((old) => fresh.find((one) => isSame(one, old)) ?? old)
  return { machine, workloads: [...kept, ...fresh.filter((one) => !known.some((old) => isSame(old, one)))] }
}

/** In the order of the suites, however they were measured; what no suite has any more is dropped. */
export const ordered = (report: Report, suites: readonly Suite[]): Report => ({
  ...report,
  workloads: suites.flatMap(({ name, workloads }) => workloads.flatMap(({ id }) => workloadIn(report, name, id) ?? [])),
})

const sameMachine = (a: Machine, b: Machine): boolean =>
  a.cpu === b.cpu && a.cores === b.cores && a.memoryGib === b.memoryGib

export const workloadIn = (report: Report, suite: string, id: string): MeasuredWorkload | undefined =>
  report.workloads.find((one) => one.suite === suite && one.id === id)

/** Of a subject that has figures. */
export const samplesOf = (workload: MeasuredWorkload | undefined, subject: string): readonly Sample[] =>
  workload?.entries.find((entry) => entry.subject === subject && entry.failed === undefined)?.samples ?? []

/** The lines of its table. */
export const rowsOf = (measured: MeasuredWorkload): Row[] => {
  const { suite, id, workload, unit } = measured
  const reference = samplesOf(measured, measured.reference)
  const unproxied = samplesOf(measured, direct.name)
  return measured.entries.map(({ subject, version, samples, failed }) => {
    const name = { suite, id, workload, subject, version, unit }
    if (failed !== undefined) return failedRow(name, failed)
    return measuredRow(name, samples, reference, subject === direct.name ? [] : unproxied)
  })
}

const significantDigits = 5

const rounded = (_key: string, value: unknown): unknown =>
  typeof value === 'number' ? Number(value.toPrecision(significantDigits)) : value

/** A line for each subject of each workload, so that a new run changes few lines. */
export const serialised = ({ machine, workloads }: Report): string => {
  const blocks = workloads.map(({ entries, ...head }) => {
    const lines = entries.map((entry) => `      ${JSON.stringify(entry, rounded)}`)
    return `    ${JSON.stringify(head, rounded).slice(0, -1)},"entries":[\n${lines.join(',\n')}\n    ]}`
  })
  return `{\n  "machine": ${JSON.stringify(machine)},\n  "workloads": [\n${blocks.join(',\n')}\n  ]\n}\n`
}
