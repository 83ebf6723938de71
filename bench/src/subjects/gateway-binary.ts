import { existsSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { freePort, listening } from '../ports.ts'
import type { Subject } from '../subject.ts'
import { packageVersion } from './version.ts'

const main = fileURLToPath(new URL('../../../apps/gateway/dist/main.js', import.meta.url))
const config = fileURLToPath(new URL('../runners/scaling.config.ts', import.meta.url))

/** `apps/gateway` with so many worker processes, on every core. */
export const gatewayBinary = (workers: number, transport: 'node' | 'epoll'): Subject => ({
  name: workers === 1 ? '1 worker' : `${workers} workers`,
  version: async () => (existsSync(main) ? packageVersion('@proxy/kernel') : undefined),
  start: async (bench, backend) => {
    const port = await freePort()
    const child = bench.processes.start(process.execPath, [main, '--config', config], {
      core: bench.allCores,
      env: {
        NODE_ENV: 'production',
        BENCH_PORT: String(port),
        BENCH_BACKEND: `${backend.host}:${backend.port}`,
        BENCH_WORKERS: String(workers),
        PROXY_TRANSPORT: transport,
      },
    })
    await listening(port, () => (child.ended === undefined ? undefined : `${child.ended} ${child.complaint.trim()}`))
    return { address: { host: '127.0.0.1', port }, pid: child.pid, workers, stop: () => child.stop() }
  },
})
