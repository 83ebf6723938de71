import { spawnSync } from 'node:child_process'
import { fileURLToPath } from 'node:url'

const script = fileURLToPath(new URL('install-test-servers.sh', import.meta.url))

/** vitest's global setup: as root on a Debian the missing programs are installed; elsewhere their suites are skipped, and say so. */
export default function setup(): void {
  if (spawnSync(script, ['--check'], { stdio: 'ignore' }).status === 0) return
  const root = process.getuid?.() === 0
  spawnSync(script, root ? [] : ['--check'], { stdio: ['ignore', 2, 2] })
}
