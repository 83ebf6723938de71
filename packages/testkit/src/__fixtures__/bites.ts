import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { Check } from '../check.ts'
import { patience } from '../waiting.ts'

/** A subject with one fault, and the check that must find it. */
export interface Mutant<Subject> {
  readonly check: string
  readonly fault: string
  readonly subject: Subject
  /** What the check must say. */
  readonly says: RegExp
}

/** Each mutant must fail its check, and each check must have a mutant. */
export function bites<Subject>(checks: readonly Check<Subject>[], mutants: readonly Mutant<Subject>[]): void {
  // Most faults show as something that never comes.
  beforeAll(() => {
    patience.ms = 600
  })
  afterAll(() => {
    patience.ms = 8_000
  })
  for (const check of checks) {
    describe(check.name, () => {
      const found = mutants.filter((mutant) => mutant.check === check.name)
      test('has a mutant', () => expect(found).not.toEqual([]))
      for (const { fault, subject, says } of found) {
        test(`finds: ${fault}`, () => expect(check.run(subject)).rejects.toThrow(says))
      }
    })
  }
  test('every mutant is of a check', () => {
    const names = checks.map(({ name }) => name)
    for (const mutant of mutants) expect(names).toContain(mutant.check)
  })
}
