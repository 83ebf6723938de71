#!/usr/bin/env node
import cluster from 'node:cluster'
import { fileURLToPath } from 'node:url'
import { runCli } from './cli/cli.ts'
import { runWorker } from './fleet/worker.ts'

if (cluster.isWorker) await runWorker()
else {
  const exec = fileURLToPath(import.meta.url)
  const code = await runCli({ args: process.argv.slice(2), env: process.env, cwd: process.cwd(), exec })
  process.exit(code)
}
