import { spawnSync } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { buildGoProgram } from '../packages/test-servers/src/go-program.ts'

const scriptNamed = (name: string): string => fileURLToPath(new URL(name, import.meta.url))

/** vitest's global setup: what is missing is installed where that can be done; elsewhere its suites are skipped, and say so. */
export default async function setup(): Promise<void> {
  // Debian's packages as root only; FerretDB and the MySQL engine by whoever has Go.
  provide(scriptNamed('install-test-servers.sh'), process.getuid?.() === 0)
  provide(scriptNamed('install-ferretdb.sh'), true)
  await buildGoProgram('mysql').catch((error: unknown) => console.error(error))
}

function provide(script: string, install: boolean): void {
  if (spawnSync(script, ['--check'], { stdio: 'ignore' }).status === 0) return
  spawnSync(script, install ? [] : ['--check'], { stdio: ['ignore', 2, 2] })
}
