import type { LiveTenants } from '../../fleet/operations.ts'
import type { FleetSnapshot } from '../snapshot.ts'

/** The whole gateway at one moment: what every answer of the API is made of. */
export interface Look {
  /** Milliseconds since the epoch. */
  readonly at: number
  readonly fleet: FleetSnapshot
  /** Of each worker. */
  readonly live: readonly LiveTenants[]
}
