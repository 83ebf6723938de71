import { fileURLToPath } from 'node:url'
import type { Bench } from '../bench.ts'
import type { Address, Running, Subject } from '../subject.ts'
import { packageVersion } from './version.ts'

const runners = new URL('../runners/', import.meta.url)

/** Starts a script of `runners/` with this Node, on the proxy's core; it prints the port it listens on. */
export const startRunner = async (
  bench: Bench,
  script: string,
  backend: Address,
  args: readonly string[] = [],
  env: Readonly<Record<string, string>> = {},
): Promise<Running> => {
  const file = fileURLToPath(new URL(script, runners))
  const child = bench.processes.start(process.execPath, [file, backend.host, String(backend.port), ...args], {
    core: bench.proxyCore,
    env: { NODE_ENV: 'production', ...env },
  })
  const { port } = JSON.parse(await child.line(20_000)) as { port: number }
  return { address: { host: '127.0.0.1', port }, pid: child.pid, stop: () => child.stop() }
}

/** A proxy out of an npm package. */
export const npmPeer = (name: string, script: string): Subject => ({
  name,
  version: async () => packageVersion(name),
  start: (bench, backend) => startRunner(bench, script, backend),
})

/** The shortest TCP proxy that Node allows. */
export const nodePipe: Subject = {
  name: 'node-pipe',
  version: async () => process.versions.node,
  start: (bench, backend) => startRunner(bench, 'node-pipe.ts', backend),
}
