import { spawnSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { describe } from 'vitest'
import { buildCache, goProgram } from './build-cache.ts'

/** Programs of mail. Postfix starts its daemons under accounts of their own, so it needs root too. */
type MailProgram = 'postfix' | 'smtp-source' | 'swaks'

type MysqlProgram = 'mariadbd' | 'mariadb' | 'sysbench'

/** What reads the files of `deploy/` as a cluster, or an engine, would. */
type Linter = 'helm' | 'kubectl-validate' | 'compose'

/** The programs that are built with Go, by the directories of their modules. */
const goPrograms: Readonly<Partial<Record<Program, string>>> = {
  'mysql-engine': 'mysql',
  h2spec: 'h2spec',
  helm: 'helm',
  'kubectl-validate': 'kubectl-validate',
  compose: 'compose',
}

/**
 * A program that tests drive and that does not come from npm; `tools/install-test-servers.sh` installs all but `ferretdb`, and
 * `mysql-engine` and `h2spec`, which the tests' set-up builds with Go.
 */
export type Program =
  | MailProgram
  | MysqlProgram
  | Linter
  | 'mysql-engine'
  | 'otel-collector'
  | 'promtool'
  | 'ferretdb'
  | 'chromium'
  | 'psql'
  | 'pgbench'
  | 'curl'
  | 'faketime'
  | 'openssl'
  | 'redis-server'
  | 'wrk'
  | 'h2load'
  | 'h2spec'
  | 'haproxy'
  | 'nginx'

/** Where what was built for tests is found. */
const built = join(buildCache, 'bin')

// Debian keeps servers where an ordinary user's PATH does not look.
const path = `${built}:${process.env['PATH']}:/usr/local/sbin:/usr/sbin:/sbin:/usr/local/go/bin`

/** The environment in which every {@link Program} that is installed is found. */
export const programEnv: NodeJS.ProcessEnv = { ...process.env, PATH: path }

const found = new Map<Program, boolean>()

/** Whether `program` is installed and starts. */
export function hasProgram(program: Program): boolean {
  let known = found.get(program)
  if (known === undefined) found.set(program, (known = look(program)))
  return known
}

function look(program: Program): boolean {
  const built = goPrograms[program]
  if (built !== undefined) return existsSync(goProgram(built))
  if (program === 'otel-collector') return existsSync(goProgram('otel-collector'))
  // psql and pgbench may be Debian's wrapper with nothing behind it, so they are started.
  const wrapped = program === 'psql' || program === 'pgbench'
  const found = program === 'postfix' ? 'command -v postfix && test "$(id -u)" = 0' : `command -v ${program}`
  const probe = wrapped ? `${program} --version` : found
  return spawnSync('sh', ['-c', probe], { env: programEnv, stdio: 'ignore' }).status === 0
}

/** `describe`, skipped when a program is missing; the name of the skipped suite then says what would enable it. */
export function describeNeeding(programs: Program[], name: string, body: () => void): void {
  const missing = programs.filter((program) => !hasProgram(program))
  if (missing.length === 0) describe(name, body)
  else describe.skip(`${name} (needs ${missing.join(', ')}: ${remedies(missing)})`, body)
}

const remedyOf: Readonly<Partial<Record<Program, string>>> = {
  'mysql-engine': 'npm test builds it where Go is installed',
  h2spec: 'npm test builds it where Go is installed',
  helm: 'run packages/test-servers/src/build-linters.ts, which needs Go',
  'kubectl-validate': 'run packages/test-servers/src/build-linters.ts, which needs Go',
  compose: 'run packages/test-servers/src/build-linters.ts, which needs Go',
  ferretdb: 'run tools/install-ferretdb.sh, which needs Go',
}

function remedies(missing: Program[]): string {
  return [...new Set(missing.map((program) => remedyOf[program] ?? 'run tools/install-test-servers.sh as root'))].join(
    '; ',
  )
}
