import type { DrainOptions } from '@proxy/kernel'
import type { WorkerSnapshot } from '../admin/snapshot.ts'
import type { BoundListener } from './unit.ts'

/** The gateways of all worker processes, seen as one. */
export interface Fleet {
  /** Opens every one, or none and rejects. */
  open(): Promise<readonly BoundListener[]>
  /** Reads the configuration again in every worker: all take it, or all go on as before and this rejects. */
  reload(generation: number): Promise<void>
  snapshots(): Promise<readonly WorkerSnapshot[]>
  /** What every worker that serves answers to an operator's question; one that does not answer in time is left out. */
  ask(topic: string, message: unknown): Promise<readonly unknown[]>
  /** Last snapshots of workers that are gone. */
  readonly retired: readonly WorkerSnapshot[]
  readonly restarts: number
  /** Workers that take sessions. */
  readonly serving: number
  drain(options: DrainOptions): Promise<void>
  /** Ends everything at once. */
  close(): Promise<void>
}
