import { formatAddress } from '../address.ts'
import type { Endpoint } from '../contracts.ts'

/** One endpoint, as connections are spread over it. */
export class EndpointSlot {
  readonly address: string
  endpoint: Endpoint
  /** Being dialled, and open. */
  connections = 0
  /** What checks say. */
  healthy = true
  /** Its circuit is open until then; after that it is worth a try. */
  openUntil = 0
  /** When it began to take its share slowly; undefined: it takes all of it. */
  slowSince: number | undefined = undefined
  /** What is owed to it while it is slow: a connection for each whole one. */
  credit = 0
  /** Where it stands among those that are as good (smooth weighted round robin). */
  turn = 0
  /** Times that it was chosen: who stands in for it takes turns. */
  failovers = 0

  constructor(endpoint: Endpoint) {
    this.endpoint = endpoint
    this.address = formatAddress(endpoint)
  }

  get weight(): number {
    return this.endpoint.weight ?? 1
  }

  get draining(): boolean {
    return this.endpoint.draining ?? false
  }

  /** 0: the best there is. The others are for when nothing better can be dialled. */
  tier(now: number): number {
    if (this.draining) return 3
    if (!this.healthy || now < this.openUntil) return 2
    return this.weight > 0 ? 0 : 1
  }

  /** Connections for its weight. */
  get load(): number {
    return this.connections / Math.max(this.weight, Number.MIN_VALUE)
  }
}
