import { writeFileSync } from 'node:fs'
import { cpus, loadavg } from 'node:os'
import { resolve } from 'node:path'
import { Bench } from './bench.ts'
import { installServers } from './install.ts'
import { type Options, parseOptions, UsageError, usage } from './options.ts'
import type { Plan } from './plan.ts'
import { type Entrant, Rounds } from './rounds.ts'
import type { Row } from './row.ts'
import type { Suite, Workload } from './suite.ts'
import { httpSuite } from './suites/http.ts'
import { mongodbSuite } from './suites/mongodb.ts'
import { mysqlSuite } from './suites/mysql.ts'
import { pgbenchSuite } from './suites/pgbench.ts'
import { smtpSuite } from './suites/smtp.ts'
import { tcpSuite } from './suites/tcp.ts'
import { telemetrySuites } from './suites/telemetry.ts'
import { markdownTable, terminalTable } from './table.ts'

const suites = {
  tcp: tcpSuite,
  http: httpSuite,
  pgbench: pgbenchSuite,
  mysql: mysqlSuite,
  mongodb: mongodbSuite,
  smtp: smtpSuite,
  telemetry: telemetrySuites,
}

/** npm runs scripts at the root of the repository; files belong where npm was called. */
const callerDirectory = process.env['INIT_CWD'] ?? process.cwd()

const tell = (text: string): void => void process.stderr.write(`${text}\n`)

const chosen = <Item>(
  items: readonly Item[],
  names: readonly string[],
  name: (item: Item) => string,
  what: string,
): Item[] => {
  const unknown = names.find((wanted) => !items.some((item) => name(item) === wanted))
  if (unknown !== undefined)
    throw new UsageError(`there is no ${what} "${unknown}" here; there are ${items.map(name).join(', ')}`)
  return items.filter((item) => names.length === 0 || names.includes(name(item)))
}

const entrantsOf = async (bench: Bench, suite: Suite, options: Options): Promise<Entrant[]> => {
  const entrants: Entrant[] = []
  for (const subject of chosen(suite.subjects, options.subjects, ({ name }) => name, 'subject')) {
    const version = await subject.version(bench)
    if (version === undefined) tell(`${subject.name}: not here, left out`)
    else entrants.push({ subject, version })
  }
  return entrants
}

const workloadsOf = (suite: Suite, options: Options): Workload[] =>
  chosen(suite.workloads, options.workloads, ({ id }) => id, 'workload').filter(
    ({ thorough }) => !(thorough && options.quick && options.workloads.length === 0),
  )

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
  `${cpus()[0]?.model.trim()}; proxy on core 0, load and backend on core 1; Node ${process.version}`,
  entrants.map(({ subject, version }) => `${subject.name} ${version}`.trim()).join(', '),
  ...busyNote(load),
]

interface Measured {
  readonly rows: readonly Row[]
  readonly markdown: string
}

const measure = async (bench: Bench, suite: Suite, options: Options): Promise<Measured> => {
  const workloads = workloadsOf(suite, options)
  installServers(tell)
  const entrants = await entrantsOf(bench, suite, options)
  const plan = planOf(suite, options)
  const [load = 0] = loadavg()
  const backend = await suite.startBackend(bench)
  const rows = await new Rounds(bench, suite, plan, { quick: options.quick, backend }).run(workloads, entrants, tell)
  const description = describe(suite, plan, entrants, load)
  process.stdout.write(`\n${description.join('\n')}\n\n${terminalTable(rows, suite.reference)}\n`)
  return { rows, markdown: `${description.join('  \n')}\n\n${markdownTable(rows, suite.reference)}\n` }
}

const writeFiles = (measured: readonly Measured[], { json, markdown }: Options): void => {
  const rows = measured.flatMap((one) => one.rows)
  if (json !== undefined) writeFileSync(resolve(callerDirectory, json), `${JSON.stringify(rows, undefined, 2)}\n`)
  if (markdown === undefined) return
  writeFileSync(resolve(callerDirectory, markdown), measured.map((one) => one.markdown).join('\n'))
}

/** Of several under one name, those that have what was asked for. */
const suitesOf = ({ suite, workloads }: Options): readonly Suite[] => {
  const all: readonly Suite[] = [suites[suite]].flat()
  const asked = all.filter((one) => one.workloads.some(({ id }) => workloads.includes(id)))
  return asked.length === 0 ? all : asked
}

const endOnSignals = (bench: Bench): void => {
  process.once('exit', () => bench.abandon())
  for (const [signal, code] of [
    ['SIGINT', 130],
    ['SIGTERM', 143],
    ['SIGHUP', 129],
  ] as const)
    process.once(signal, () => process.exit(code))
}

const run = async (args: readonly string[]): Promise<number> => {
  const options = parseOptions(args)
  const bench = new Bench()
  endOnSignals(bench)
  try {
    bench.leaveTheProxyCore()
    const measured: Measured[] = []
    for (const suite of suitesOf(options)) measured.push(await measure(bench, suite, options))
    writeFiles(measured, options)
    return measured.some(({ rows }) => rows.some((row) => row.failed !== null)) ? 1 : 0
  } finally {
    await bench.close()
  }
}

try {
  process.exitCode = await run(process.argv.slice(2))
} catch (error) {
  if (!(error instanceof UsageError)) throw error
  tell(`${error.message}\n\n${usage}`)
  process.exitCode = 2
}
