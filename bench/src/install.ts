import { spawnSync } from 'node:child_process'
import { existsSync, globSync, rmSync, writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { searchPath } from './processes.ts'

const env = { ...process.env, PATH: searchPath, DEBIAN_FRONTEND: 'noninteractive' }

const testServers = fileURLToPath(new URL('../../tools/install-test-servers.sh', import.meta.url))

/** While it exists, Debian's packages do not start the services they install. */
const policy = '/usr/sbin/policy-rc.d'

export const isInstalled = (program: string): boolean =>
  spawnSync('sh', ['-c', `command -v ${program}`], { env, stdio: 'ignore' }).status === 0

/** nginx's module for TCP where it is a file of its own; undefined when it is missing or built in. */
export const nginxStreamModule = (): string | undefined => globSync('/usr/lib*/nginx/modules/ngx_stream_module.so')[0]

/** OpenSSL's headers, for the load client that speaks TLS. */
export const hasOpensslHeaders = (): boolean => existsSync('/usr/include/openssl/ssl.h')

/** What only the benchmark needs, beside the programs of the integration tests. */
const missingPackages = (): string[] => [
  ...(isInstalled('gcc') ? [] : ['gcc', 'libc6-dev']),
  ...(hasOpensslHeaders() ? [] : ['libssl-dev']),
  ...(isInstalled('h2load') ? [] : ['nghttp2-client']),
  ...(isInstalled('pgbouncer') ? [] : ['pgbouncer']),
  ...(nginxStreamModule() === undefined ? ['libnginx-mod-stream'] : []),
]

const install = (packages: readonly string[]): void => {
  const forbid = !existsSync(policy)
  if (forbid) writeFileSync(policy, '#!/bin/sh\nexit 101\n', { mode: 0o755 })
  try {
    spawnSync('apt-get', ['install', '-y', '-qq', '--no-install-recommends', ...packages], { env, stdio: 'ignore' })
  } finally {
    if (forbid) rmSync(policy)
  }
}

/** As root on a Debian, installs the peers that are missing, starting none; elsewhere it does nothing. */
export const installServers = (tell: (text: string) => void): void => {
  if (process.getuid?.() !== 0 || !isInstalled('apt-get')) return
  spawnSync(testServers, { env, stdio: ['ignore', 'ignore', 'inherit'] })
  const missing = missingPackages()
  if (missing.length === 0) return
  tell(`installing ${missing.join(', ')}`)
  install(missing)
}
