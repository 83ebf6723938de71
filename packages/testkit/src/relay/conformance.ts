import { type Check, register, type Skips } from '../check.ts'
import { closeChecks } from './close-checks.ts'
import { dataChecks } from './data-checks.ts'
import type { RelaySubject } from './subject.ts'
import { timeChecks } from './time-checks.ts'

/** Every rule of the contract of `Relay`. Each of them also demands that no link and no timer is left. */
export const relayChecks: readonly Check<RelaySubject>[] = [...dataChecks, ...closeChecks, ...timeChecks]

export interface RelayConformance extends RelaySubject {
  /** Title of the suite. Default: `relay conformance`. */
  readonly name?: string | undefined
  readonly skip?: Skips | undefined
}

/** Registers one vitest test for each rule. */
export function relayConformance(options: RelayConformance): void {
  register(options.name ?? 'relay conformance', relayChecks, options, options.skip)
}
