// Prints how many tests passed and failed according to vitest's JSON reports: node tools/test-counts.ts REPORT...
import { readFileSync } from 'node:fs'

interface Report {
  readonly numPassedTests: number
  readonly numFailedTests: number
}

let [passed, failed] = [0, 0]
for (const path of process.argv.slice(2)) {
  const { numPassedTests, numFailedTests } = JSON.parse(readFileSync(path, 'utf8')) as Report
  passed += numPassedTests
  failed += numFailedTests
}
console.log(passed, failed)
