// The gateway as its binary runs it, in as many workers as are asked for.
import { env } from 'node:process'

const config: Record<string, unknown> = {
  listeners: [{ address: `127.0.0.1:${env['BENCH_PORT']}`, protocol: 'http', backlog: 65_535 }],
  resolver: { static: { 'alpha.localhost': env['BENCH_BACKEND'] } },
  guard: { allow: ['127.0.0.0/8'] },
  workers: Number(env['BENCH_WORKERS']),
  admin: false,
  log: { level: 'error' },
}

export default config
