import { spawnSync } from 'node:child_process'
import { fileURLToPath } from 'node:url'

const pathOf = (name: string): string => fileURLToPath(new URL(name, import.meta.url))

/** vitest's global setup: what is missing is installed where that can be done; elsewhere its suites are skipped, and say so. */
export default function setup(): void {
  // Debian's packages as root only; FerretDB and the MySQL engine by whoever has Go.
  provide(pathOf('install-test-servers.sh'), process.getuid?.() === 0)
  provide(pathOf('install-ferretdb.sh'), true)
  spawnSync(process.execPath, [pathOf('../packages/test-servers/src/build-engine.ts')], { stdio: ['ignore', 2, 2] })
}

function provide(script: string, install: boolean): void {
  if (spawnSync(script, ['--check'], { stdio: 'ignore' }).status === 0) return
  spawnSync(script, install ? [] : ['--check'], { stdio: ['ignore', 2, 2] })
}
