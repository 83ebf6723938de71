import { writeFileSync } from 'node:fs'
import { resolve } from 'node:path'
import { Bench } from './bench.ts'
import { type Measured, measure, suitesWith } from './measure.ts'
import { type Options, parseOptions, UsageError, usage } from './options.ts'
import { chart } from './report/chart.ts'
import { addToReport, renewReport } from './report/files.ts'
import { suites } from './suites.ts'
import { markdownTable, terminalTable } from './table.ts'

/** npm runs scripts at the root of the repository; files belong where npm was called. */
const callerDirectory = process.env['INIT_CWD'] ?? process.cwd()

const tell = (text: string): void => void process.stderr.write(`${text}\n`)

const show = ({ suite, description, rows }: Measured): void =>
  void process.stdout.write(`\n${description.join('\n')}\n\n${terminalTable(rows, suite.reference)}\n`)

const markdownOf = ({ suite, description, rows }: Measured): string =>
  `${description.join('  \n')}\n\n${markdownTable(rows, suite.reference)}\n`

const writeFiles = (measured: readonly Measured[], { json, markdown, svg }: Options): void => {
  const write = (file: string | undefined, text: () => string): void => {
    if (file !== undefined) writeFileSync(resolve(callerDirectory, file), text())
  }
  write(
    json,
    () =>
      `${JSON.stringify(
        measured.flatMap(({ rows }) => rows),
        undefined,
        2,
      )}\n`,
  )
  write(markdown, () => measured.map(markdownOf).join('\n'))
  write(svg, () => chart(measured.map(({ suite, rows }) => ({ reference: suite.reference, rows }))))
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
  if (options.suites.length === 0) {
    renewReport()
    return 0
  }
  const chosen = suitesWith(
    options.suites.flatMap((name) => suites[name]),
    options,
  )
  const bench = new Bench()
  endOnSignals(bench)
  try {
    bench.leaveTheProxyCore()
    const measured: Measured[] = []
    for (const suite of chosen) {
      const one = await measure(bench, suite, options, tell)
      show(one)
      if (options.report) addToReport(one)
      measured.push(one)
    }
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
