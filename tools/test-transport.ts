// The suites whose gateways open sockets, once more over the transport that `npm test` does not take:
// node --conditions=@proxy/source tools/test-transport.ts epoll|node [ARGUMENTS OF VITEST]
import { spawnSync } from 'node:child_process'
import { env } from 'node:process'
import { whyNoEpoll } from '@proxy/test-servers/transport'

interface Suites {
  readonly projects: readonly string[]
  /** Parts of the paths of their files; empty: all. */
  readonly files: readonly string[]
}

/** What is tested over Node's sockets unless it is told otherwise; the gateway takes epoll by itself. */
const suites: Readonly<Record<string, Suites>> = {
  epoll: {
    projects: [
      'kernel',
      'tcp',
      'tls',
      'http',
      'postgres',
      'mysql',
      'mongodb',
      'smtp',
      'resolver-docker',
      'resolver-kubernetes',
    ],
    files: [],
  },
  node: {
    projects: ['gateway'],
    files: ['faults', 'hostile', 'workers', 'reload', 'drain-sessions', 'embedded', 'client-certificates'].map(
      (name) => `apps/gateway/test/${name}`,
    ),
  },
}

const [transport = '', ...more] = process.argv.slice(2)
const chosen = suites[transport]
if (chosen === undefined) throw new Error(`${transport} is no transport: say ${Object.keys(suites).join(' or ')}`)
const { projects, files } = chosen
const reason = transport === 'epoll' ? whyNoEpoll() : undefined
if (reason === undefined) {
  const args = ['run', ...projects.flatMap((name) => ['--project', name]), ...files, ...more]
  const { status, error } = spawnSync('vitest', args, {
    stdio: 'inherit',
    env: { ...env, PROXY_TEST_TRANSPORT: transport },
  })
  if (error !== undefined) throw error
  process.exitCode = status ?? 1
} else console.log(`Skipped: ${projects.join(', ')} over ${transport}, as ${reason}`)
