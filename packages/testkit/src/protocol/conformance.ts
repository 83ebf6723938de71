import { type Check, register, type Skips } from '../check.ts'
import { detectChecks } from './detect-checks.ts'
import { hostileChecks } from './hostile-checks.ts'
import { readyChecks } from './ready-checks.ts'
import { refusalChecks } from './refusal-checks.ts'
import { relayChecks } from './relay-checks.ts'
import { routeChecks } from './route-checks.ts'
import { secureChecks } from './secure-checks.ts'
import type { ProtocolSubject } from './subject.ts'
import { timeChecks } from './time-checks.ts'

/**
 * What every protocol owes its users. Each check runs a real gateway in memory, and demands beside its own rule that
 * no connection, listener or timer is left, and that every session ended exactly once.
 */
export const protocolChecks: readonly Check<ProtocolSubject>[] = [
  ...detectChecks,
  ...routeChecks,
  ...hostileChecks,
  ...timeChecks,
  ...refusalChecks,
  ...relayChecks,
  ...secureChecks,
  ...readyChecks,
]

export interface ProtocolConformance extends ProtocolSubject {
  /** Title of the suite. Default: the protocol's name and `conformance`. */
  readonly name?: string | undefined
  /** Checks that do not apply, by name, with the reason. */
  readonly skip?: Skips | undefined
}

/** Registers one vitest test for each check. */
export function protocolConformance(options: ProtocolConformance): void {
  register(options.name ?? `${options.protocol().name} conformance`, protocolChecks, options, options.skip)
}
