import { cpus, loadavg } from 'node:os'
import type { Bench } from './bench.ts'
import { installServers } from './install.ts'
import { type Options, UsageError } from './options.ts'
import type { Plan } from './plan.ts'
import type { Row } from './row.ts'
import { type Entrant, Rounds } from './rounds.ts'
import type { Suite, Workload } from './suite.ts'

/** One suite that has run. */
export interface Measured {
  readonly suite: Suite
  readonly plan: Plan
  /** What was measured where, with what: lines of text. */
  readonly description: readonly string[]
  readonly rows: readonly Row[]
}

export type Tell = (text: string) => void

const isWanted = (names: readonly string[], name: string): boolean => names.length === 0 || names.includes(name)

const entrantsOf = async (bench: Bench, suite: Suite, options: Options, tell: Tell): Promise<Entrant[]> => {
  const entrants: Entrant[] = []
  for (const subject of suite.subjects.filter(({ name }) => isWanted(options.subjects, name))) {
    const version = await subject.version(bench)
    if (version === undefined) tell(`${subject.name}: not here, left out`)
    else entrants.push({ subject, version })
  }
  return entrants
}

const workloadsOf = (suite: Suite, options: Options): Workload[] =>
  suite.workloads
    .filter(({ id }) => isWanted(options.workloads, id))
    .filter(({ thorough }) => !(thorough && options.quick && options.workloads.length === 0))

const needsKnown = (wanted: readonly string[], known: readonly string[], what: string): void => {
  const unknown = wanted.find((name) => !known.includes(name))
  if (unknown !== undefined)
    throw new UsageError(`there is no ${what} "${unknown}" here; there are ${[...new Set(known)].join(', ')}`)
}

/** Of the suites, those that have something of what was asked for. */
export const suitesWith = (suites: readonly Suite[], { subjects, workloads }: Options): readonly Suite[] => {
  const subjectsOf = (suite: Suite): string[] => suite.subjects.map(({ name }) => name)
  const workloadsIn = (suite: Suite): string[] => suite.workloads.map(({ id }) => id)
  needsKnown(subjects, suites.flatMap(subjectsOf), 'subject')
  needsKnown(workloads, suites.flatMap(workloadsIn), 'workload')
  return suites.filter(
    (suite) =>
      subjectsOf(suite).some((name) => isWanted(subjects, name)) &&
      workloadsIn(suite).some((id) => isWanted(workloads, id)),
  )
}

const planOf = (suite: Suite, options: Options): Plan => {
  const plan = options.quick ? suite.quickPlan : suite.plan
  return { ...plan, rounds: options.rounds ?? plan.rounds, seconds: options.seconds ?? plan.seconds }
}

/** Work of others in the last minute; more than this disturbs. */
const quietLoad = 0.5

const busyNote = (load: number): string[] =>
  load > quietLoad ? [`the machine was busy before the run (load average ${load.toFixed(1)}): expect noise`] : []

const describe = (suite: Suite, plan: Plan, entrants: readonly Entrant[], load: number): string[] => [
  `suite ${suite.name}: ${plan.rounds} interleaved rounds of ${plan.seconds} s, medians (lowest-highest)`,
  `${cpus()[0]?.model.trim()}; ${suite.cores ?? 'proxy on core 0, load and backend on core 1'}; Node ${process.version}`,
  entrants.map(({ subject, version }) => `${subject.name} ${version}`.trim()).join(', '),
  ...busyNote(load),
]

/** Measures what the options ask for of one suite. */
export const measure = async (bench: Bench, suite: Suite, options: Options, tell: Tell): Promise<Measured> => {
  const workloads = workloadsOf(suite, options)
  installServers(tell)
  const entrants = await entrantsOf(bench, suite, options, tell)
  const plan = planOf(suite, options)
  const [load = 0] = loadavg()
  const backend = await suite.startBackend(bench)
  const rows = await new Rounds(bench, suite, plan, { quick: options.quick, backend }).run(workloads, entrants, tell)
  return { suite, plan, description: describe(suite, plan, entrants, load), rows }
}
