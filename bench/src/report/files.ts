import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import type { Measured } from '../measure.ts'
import { withBlock } from './blocks.ts'
import { capacityTables } from './capacity-tables.ts'
import { chart } from './chart.ts'
import { merged, ordered, type Report, serialised, workloadsOf } from './data.ts'
import { thisMachine } from './machine.ts'
import { page, panelsOf } from './page.ts'
import { summary } from './summary.ts'
import { suites } from '../suites.ts'

const root = new URL('../../../', import.meta.url)
const data = 'docs/explanation/performance/report.json'

const pathOf = (file: string): string => fileURLToPath(new URL(file, root))

export const readText = (file: string): string => readFileSync(pathOf(file), 'utf8')

/** The report that is checked in; undefined when there is none. */
export const readReport = (): Report | undefined =>
  existsSync(pathOf(data)) ? (JSON.parse(readText(data)) as Report) : undefined

/** Every file that is made of the report, whole or in part, as it has to be. */
export const filesOf = (report: Report): ReadonlyMap<string, string> =>
  new Map([
    [data, serialised(report)],
    ['docs/explanation/performance/report.md', page(report)],
    ['docs/explanation/performance/chart.svg', chart(panelsOf(report))],
    ...withBlocks(report),
  ])

const withBlocks = (report: Report): [string, string][] => [
  inserted('README.md', 'summary', summary(report)),
  inserted('docs/explanation/performance/capacity.md', 'capacity', capacityTables(report)),
]

const inserted = (file: string, block: string, content: string): [string, string] => [
  file,
  withBlock(readText(file), block, content),
]

const write = (report: Report): void => {
  const all = ordered(report, Object.values(suites).flat())
  for (const [file, text] of filesOf(all)) writeFileSync(pathOf(file), text)
}

/** Puts what one suite has measured into the report, and renews what is made of it. */
export const addToReport = (measured: Measured): void =>
  write(merged(readReport(), thisMachine(), workloadsOf(measured, new Date().toISOString())))

/** Makes the files anew: the pages around the figures, or what makes them, have changed. */
export const renewReport = (): void => {
  const report = readReport()
  if (report !== undefined) write(report)
}
