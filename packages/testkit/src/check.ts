import { describe, test } from 'vitest'

/** One rule of a contract. `run` rejects, saying what is wrong, when the subject breaks it. */
export interface Check<Subject> {
  readonly name: string
  /** Why the rule does not apply to the subject; the test is then skipped, with the reason in its name. */
  unless?(subject: Subject): string | undefined
  run(subject: Subject): Promise<void>
}

/** Checks that do not apply, by name, each with the reason; the reason is shown in the name of the skipped test. */
export type Skips = Readonly<Record<string, string>>

// Some checks play hundreds of sessions, and machines are busy.
const timeoutMs = 120_000

/** Registers a vitest suite with one test a check. */
export function register<Subject>(
  title: string,
  checks: readonly Check<Subject>[],
  subject: Subject,
  skip: Skips = {},
): void {
  const names = new Set(checks.map((check) => check.name))
  for (const name of Object.keys(skip)) {
    if (!names.has(name)) throw new Error(`no check is called "${name}"; there are: ${[...names].join(', ')}`)
  }
  describe(title, () => {
    for (const check of checks) {
      const reason = skip[check.name] ?? check.unless?.(subject)
      if (reason === undefined) test(check.name, { timeout: timeoutMs }, () => check.run(subject))
      else test.skip(`${check.name} (skipped: ${reason})`, () => undefined)
    }
  })
}
