import type { ConfigSource } from '../config/source.ts'
import type { EmbeddedPlan } from '../embedded/plan.ts'

/** What a worker process asks the primary for when it starts; survives JSON. */
export interface WorkerPlan {
  readonly source: ConfigSource
  readonly generation: number
  readonly cwd: string
  readonly embedded: EmbeddedPlan | undefined
  /** base64 */
  readonly ticketKeys: string
}

/** Number of the worker among the workers, from 1; kept when it is started again. */
export const slotVariable = 'GATEWAY_WORKER'

/** Topics between the primary process and its workers. */
export const topics = {
  plan: 'worker:plan',
  open: 'worker:open',
  snapshot: 'worker:snapshot',
  prepare: 'reload:prepare',
  commit: 'reload:commit',
  rollback: 'reload:rollback',
  settle: 'reload:settle',
  drain: 'worker:drain',
} as const
