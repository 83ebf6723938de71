// Prints how many tests passed and failed according to vitest's JSON report: node tools/test-counts.ts REPORT
import { readFileSync } from 'node:fs'

const report = JSON.parse(readFileSync(process.argv[2] ?? '', 'utf8')) as {
  numPassedTests: number
  numFailedTests: number
}
console.log(report.numPassedTests, report.numFailedTests)
