import type { Bench } from './bench.ts'
import { type Plan, rotated } from './plan.ts'
import { failedRow, measuredRow, type Row, type RowName, type Sample } from './row.ts'
import type { Address, Running, Subject } from './subject.ts'
import { direct } from './subjects/direct.ts'
import type { Suite, Workload } from './suite.ts'

/** A subject that takes part, and its process. */
export interface Entrant {
  readonly subject: Subject
  readonly version: string
}

type Result = { readonly samples: Sample[]; failed?: string }

const reasonOf = (error: unknown): string => (error instanceof Error ? error.message : String(error))

/**
 * Measures all subjects in interleaved rounds. A wrong response fails the subject's row for that workload, whatever its
 * other rounds gave.
 */
export class Rounds {
  readonly #bench: Bench
  readonly #suite: Suite
  readonly #plan: Plan
  readonly #quick: boolean
  readonly #backend: Address
  readonly #running = new Map<Subject, Running>()
  readonly #results = new Map<Workload, Map<Subject, Result>>()

  constructor(bench: Bench, suite: Suite, plan: Plan, options: { quick: boolean; backend: Address }) {
    this.#bench = bench
    this.#suite = suite
    this.#plan = plan
    this.#quick = options.quick
    this.#backend = options.backend
  }

  async run(
    workloads: readonly Workload[],
    entrants: readonly Entrant[],
    tell: (text: string) => void,
  ): Promise<Row[]> {
    try {
      for (let round = 0; round < this.#plan.rounds; round++)
        for (const workload of workloads) {
          if (round >= (workload.rounds ?? Number.POSITIVE_INFINITY)) continue
          tell(`${this.#suite.name}, round ${round + 1} of ${this.#plan.rounds}: ${workload.name}`)
          for (const { subject } of rotated(entrants, round))
            if (workload.suits?.(subject) !== false) await this.#measure(workload, subject, round)
        }
    } finally {
      await Promise.all([...this.#running.values()].map((running) => running.stop()))
    }
    return workloads.flatMap((workload) => this.#rows(workload, entrants))
  }

  #result(workload: Workload, subject: Subject): Result {
    let bySubject = this.#results.get(workload)
    if (bySubject === undefined) this.#results.set(workload, (bySubject = new Map()))
    let result = bySubject.get(subject)
    if (result === undefined) bySubject.set(subject, (result = { samples: [] }))
    return result
  }

  async #measure(workload: Workload, subject: Subject, round: number): Promise<void> {
    const result = this.#result(workload, subject)
    if (result.failed !== undefined) return
    const span = {
      seconds: this.#plan.seconds,
      warmup: round === 0 ? this.#plan.firstWarmup : this.#plan.warmup,
      quick: this.#quick,
      backend: this.#backend,
    }
    try {
      const running = await this.#target(workload, subject)
      try {
        result.samples.push(await workload.run(this.#bench, running, span))
      } finally {
        if (workload.fresh) await running.stop()
      }
    } catch (error) {
      result.failed = reasonOf(error)
      // What failed once may be broken for good: the next workload gets a new process.
      await this.#running.get(subject)?.stop()
      this.#running.delete(subject)
    }
  }

  async #target(workload: Workload, subject: Subject): Promise<Running> {
    const known = this.#running.get(subject)
    if (known !== undefined && !workload.fresh) return known
    const running = await subject.start(this.#bench, this.#backend)
    if (!workload.fresh) this.#running.set(subject, running)
    return running
  }

  #rows(workload: Workload, entrants: readonly Entrant[]): Row[] {
    const results = this.#results.get(workload)
    const samplesOf = (subject: Subject | undefined): readonly Sample[] => {
      const result = subject === undefined ? undefined : results?.get(subject)
      return result === undefined || result.failed !== undefined ? [] : result.samples
    }
    const named = (name: string): Subject | undefined => entrants.find(({ subject }) => subject.name === name)?.subject
    const reference = samplesOf(named(this.#suite.reference))
    const unproxied = samplesOf(named(direct.name))
    return entrants.flatMap(({ subject, version }) => {
      const result = results?.get(subject)
      if (result === undefined) return []
      const name: RowName = {
        suite: this.#suite.name,
        id: workload.id,
        workload: workload.name,
        subject: subject.name,
        version,
        unit: workload.unit,
      }
      return result.failed === undefined
        ? [measuredRow(name, result.samples, reference, subject.name === direct.name ? [] : unproxied)]
        : [failedRow(name, result.failed)]
    })
  }
}
