import type { Backend, Endpoint } from '../contracts.ts'

/** What counts against an endpoint. Each is forgiven by its own opposite: a dial that succeeds, an answer. */
export type Failure = 'dials' | 'faults'

/** One endpoint that has failed lately. */
export class Circuit {
  readonly key: string
  readonly backend: Backend
  readonly endpoint: Endpoint
  state: 'closed' | 'open' | 'half-open' = 'closed'
  /** In a row. */
  dials = 0
  faults = 0
  lastAt = 0
  /** Times that it was opened without being closed. */
  openings = 0
  /** Open: nobody is let through before. Half-open: what was let through has so long to succeed. */
  until = 0
  /** The session that is let through a half-open circuit. */
  trial: string | undefined = undefined

  constructor(key: string, backend: Backend, endpoint: Endpoint) {
    this.key = key
    this.backend = backend
    this.endpoint = endpoint
  }

  get failures(): number {
    return Math.max(this.dials, this.faults)
  }

  get innocent(): boolean {
    return this.state === 'closed' && this.failures === 0
  }
}
