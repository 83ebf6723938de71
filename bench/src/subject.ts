import type { Bench } from './bench.ts'

export interface Address {
  readonly host: string
  readonly port: number
}

/** A proxy that runs. */
export interface Running {
  readonly address: Address
  /** The process whose tree is measured; undefined for a direct connection. */
  readonly pid: number | undefined
  /** Processes that share its connections, where there are several. */
  readonly workers?: number
  stop(): Promise<void>
}

/** Something to measure. */
export interface Subject {
  readonly name: string
  /** Its version; undefined when it cannot run here. */
  version(bench: Bench): Promise<string | undefined>
  start(bench: Bench, backend: Address): Promise<Running>
}
