import type { Bench } from '../bench.ts'
import { freePort, listening } from '../ports.ts'
import type { Running } from '../subject.ts'

/** Starts a server that is told its port, on the proxy's core. */
export const startServer = async (
  bench: Bench,
  name: string,
  command: (folder: string, port: number) => readonly [string, ...string[]],
  options: { readonly unprivileged?: boolean } = {},
): Promise<Running> => {
  const port = await freePort()
  const folder = bench.folder(name)
  const [program, ...args] = command(folder, port)
  const child = bench.processes.start(program, args, { core: bench.proxyCore, cwd: folder, ...options })
  await listening(port, () => (child.ended === undefined ? undefined : `${child.ended} ${child.complaint.trim()}`))
  return { address: { host: '127.0.0.1', port }, pid: child.pid, stop: () => child.stop() }
}
