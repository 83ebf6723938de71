import { type Check, register, type Skips } from '../check.ts'
import { answerChecks } from './answer-checks.ts'
import { optionalChecks } from './optional-checks.ts'
import type { ResolverSubject } from './subject.ts'

/** Every rule of the contract of `Resolver`; those of its optional methods apply where they are there. */
export const resolverChecks: readonly Check<ResolverSubject>[] = [...answerChecks, ...optionalChecks]

export interface ResolverConformance extends ResolverSubject {
  /** Title of the suite. Default: `resolver conformance`. */
  readonly name?: string | undefined
  readonly skip?: Skips | undefined
}

/** Registers one vitest test for each rule. */
export function resolverConformance(options: ResolverConformance): void {
  register(options.name ?? 'resolver conformance', resolverChecks, options, options.skip)
}
