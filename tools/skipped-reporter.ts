import type { Reporter, TestModule, TestSuite } from 'vitest/node'

/** Names every suite that was skipped at the end of a run, so that a missing program is never silent. */
export default class SkippedReporter implements Reporter {
  onTestRunEnd(modules: readonly TestModule[]): void {
    const names = modules.flatMap((module) => [...skippedSuites(module)])
    if (names.length > 0) process.stdout.write(`\nSkipped suites:\n${names.map((name) => `  ${name}\n`).join('')}`)
  }
}

function* skippedSuites(module: TestModule): Generator<string> {
  for (const suite of module.children.allSuites()) {
    if (suite.options.mode === 'skip' && !insideSkipped(suite))
      yield `${module.project.name}/${module.relativeModuleId} > ${suite.fullName}`
  }
}

const insideSkipped = (suite: TestSuite): boolean =>
  suite.parent.type === 'suite' && suite.parent.options.mode === 'skip'
