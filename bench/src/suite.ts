import type { Bench } from './bench.ts'
import type { Plan } from './plan.ts'
import type { Sample } from './row.ts'
import type { Address, Running, Subject } from './subject.ts'

/** One kind of work. */
export interface Workload {
  readonly name: string
  /** For the command line. */
  readonly id: string
  readonly unit: string
  /** Measured on a process of its own, started for it. */
  readonly fresh?: boolean
  /** No more rounds than these, where one says almost as much as many. */
  readonly rounds?: number
  /** Left out of a quick run unless it is named. */
  readonly thorough?: boolean
  /** False where it says nothing about the subject. */
  suits?(subject: Subject): boolean
  /** One measured span. Rejects when any response was wrong; then the subject has no figure for this workload. */
  run(bench: Bench, target: Running, span: Span): Promise<Sample>
}

export interface Span {
  readonly warmup: number
  readonly seconds: number
  /** Sizes are reduced for a quick look. */
  readonly quick: boolean
  /** What is behind the proxies. */
  readonly backend: Address
}

export interface Suite {
  readonly name: string
  /** Which cores are whose, where it is not one for the proxy and one for the load. */
  readonly cores?: string
  /** The subject that ratios refer to. */
  readonly reference: string
  readonly subjects: readonly Subject[]
  readonly workloads: readonly Workload[]
  readonly plan: Plan
  readonly quickPlan: Plan
  /** Starts what is behind the proxies. */
  startBackend(bench: Bench): Promise<Address>
}
