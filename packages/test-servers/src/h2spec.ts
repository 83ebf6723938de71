import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { goProgram } from './build-cache.ts'
import { removeDirectory, temporaryDirectory } from './directories.ts'
import { run } from './processes.ts'

/** Runs h2spec, strict cases too, against a server on this machine. Returns the cases that fail, each as `section: title`. */
export async function h2spec(port: number, ...more: readonly string[]): Promise<string[]> {
  const directory = temporaryDirectory('h2spec')
  const report = join(directory, 'report.xml')
  try {
    await run(goProgram('h2spec'), ['--strict', '--host', 'localhost', '--port', String(port), '-j', report, ...more])
    return failuresIn(readFileSync(report, 'utf8'))
  } finally {
    removeDirectory(directory)
  }
}

/** A report of JUnit: what passes is an element without content. Throws where nothing was tested. */
function failuresIn(xml: string): string[] {
  const cases = [...xml.matchAll(/<testcase package="([^"]*)" classname="([^"]*)"[^>]*>(.*?)<\/testcase>/gs)]
  if (cases.length < 100) throw new Error(`h2spec has tried ${cases.length} cases: ${xml.slice(0, 300)}`)
  return cases.filter(([, , , inner]) => inner !== '').map(([, section, title]) => `${section}: ${title}`)
}
