import { type Check, register, type Skips } from '../check.ts'
import { closeChecks } from './close-checks.ts'
import { dataChecks } from './data-checks.ts'
import { listenChecks } from './listen-checks.ts'
import { socketChecks } from './socket-checks.ts'
import type { TransportSubject } from './subject.ts'

/** Every rule of the contracts of `Transport` and `Link`. */
export const transportChecks: readonly Check<TransportSubject>[] = [
  ...listenChecks,
  ...dataChecks,
  ...closeChecks,
  ...socketChecks,
]

export interface TransportConformance extends TransportSubject {
  /** Title of the suite. Default: `transport conformance`. */
  readonly name?: string | undefined
  readonly skip?: Skips | undefined
}

/** Registers one vitest test for each rule. */
export function transportConformance(options: TransportConformance): void {
  register(options.name ?? 'transport conformance', transportChecks, options, options.skip)
}
