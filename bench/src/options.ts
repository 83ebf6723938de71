import { parseArgs } from 'node:util'

export const suiteNames = ['tcp', 'http', 'pgbench', 'mysql', 'mongodb', 'smtp', 'telemetry'] as const
export type SuiteName = (typeof suiteNames)[number]

export interface Options {
  readonly suite: SuiteName
  readonly quick: boolean
  readonly json: string | undefined
  readonly markdown: string | undefined
  /** All, when empty. */
  readonly subjects: readonly string[]
  readonly workloads: readonly string[]
  readonly rounds: number | undefined
  readonly seconds: number | undefined
}

export const usage: string = `npm run bench -- ${suiteNames.join('|')} [options]

  --quick             less of everything: under a minute, and as rough as that
  --json FILE         write the rows
  --markdown FILE     write the table
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

/** The command line. Throws a {@link UsageError} that says what is wrong with it. */
export const parseOptions = (args: readonly string[]): Options => {
  const { values, positionals } = parse(args)
  const suite = suiteNames.find((name) => name === positionals[0])
  if (suite === undefined || positionals.length > 1) throw new UsageError(`name one suite: ${suiteNames.join(', ')}`)
  return {
    suite,
    quick: values.quick,
    json: values.json,
    markdown: values.markdown,
    subjects: list(values.subjects),
    workloads: list(values.workloads),
    rounds: wholePositive('rounds', values.rounds),
    seconds: positive('seconds', values.seconds),
  }
}
