import { parseArgs } from 'node:util'

export const suiteNames = ['tcp', 'http', 'pgbench', 'scaling', 'mysql', 'mongodb', 'smtp', 'telemetry'] as const
export type SuiteName = (typeof suiteNames)[number]

/** What `all` stands for: those that the goals are about. */
export const headlineSuites: readonly SuiteName[] = ['tcp', 'http', 'pgbench', 'scaling']

export interface Options {
  readonly suites: readonly SuiteName[]
  readonly quick: boolean
  readonly json: string | undefined
  readonly markdown: string | undefined
  readonly svg: string | undefined
  /** Puts what is measured into the report that is checked in, suite by suite. */
  readonly report: boolean
  /** All, when empty. */
  readonly subjects: readonly string[]
  readonly workloads: readonly string[]
  readonly rounds: number | undefined
  readonly seconds: number | undefined
}

export const usage: string = `npm run bench -- SUITE... [options]

  SUITE               ${suiteNames.join(', ')};
                      all: ${headlineSuites.join(', ')}
  --report            put it into docs/explanation/performance, after each suite;
                      without a suite: make the files there anew of what is there
  --quick             less of everything: under a minute, and as rough as that
  --json FILE         write the rows
  --markdown FILE     write the tables
  --svg FILE          write a chart of the ratios
  --subjects A,B      only these
  --workloads A,B     only these
  --rounds N          interleaved rounds
  --seconds S         measured seconds per subject, workload and round`

export class UsageError extends Error {}

const list = (text: string | undefined): string[] => text?.split(',').filter(Boolean) ?? []

const positive = (name: string, text: string | undefined): number | undefined => {
  if (text === undefined) return undefined
  const value = Number(text)
  if (!Number.isFinite(value) || value <= 0)
    throw new UsageError(`--${name} must be a number above zero, not "${text}"`)
  return value
}

const wholePositive = (name: string, text: string | undefined): number | undefined => {
  const value = positive(name, text)
  if (value !== undefined && !Number.isInteger(value)) throw new UsageError(`--${name} must be a whole number`)
  return value
}

const parse = (args: readonly string[]) => {
  const text = { type: 'string' } as const
  try {
    return parseArgs({
      args: [...args],
      allowPositionals: true,
      options: {
        quick: { type: 'boolean', default: false },
        json: text,
        markdown: text,
        svg: text,
        report: { type: 'boolean', default: false },
        subjects: text,
        workloads: text,
        rounds: text,
        seconds: text,
      },
    })
  } catch (error) {
    throw new UsageError(error instanceof Error ? error.message : String(error))
  }
}

const suitesNamed = (names: readonly string[], mayBeNone: boolean): SuiteName[] => {
  const known = new Set<string>(suiteNames)
  const all = names.flatMap((name): readonly string[] => (name === 'all' ? headlineSuites : [name]))
  if ((all.length === 0 && !mayBeNone) || all.some((name) => !known.has(name)))
    throw new UsageError(`name a suite, some of them, or all: ${suiteNames.join(', ')}`)
  return suiteNames.filter((name) => all.includes(name))
}

/** The command line. Throws a {@link UsageError} that says what is wrong with it. */
export const parseOptions = (args: readonly string[]): Options => {
  const { values, positionals } = parse(args)
  const suites = suitesNamed(positionals, values.report)
  const subjects = list(values.subjects)
  if (values.report && (values.quick || subjects.length > 0))
    throw new UsageError('--report takes every subject, and no --quick figures')
  return {
    suites,
    quick: values.quick,
    json: values.json,
    markdown: values.markdown,
    svg: values.svg,
    report: values.report,
    subjects,
    workloads: list(values.workloads),
    rounds: wholePositive('rounds', values.rounds),
    seconds: positive('seconds', values.seconds),
  }
}
