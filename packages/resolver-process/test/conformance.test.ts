import { fileURLToPath } from 'node:url'
import { type ProcessSpec, processResolver } from '@proxy/resolver-process'
import { findFreePort } from '@proxy/test-servers'
import { resolverConformance } from '@proxy/testkit'

const server = fileURLToPath(new URL('server.mjs', import.meta.url))

const spec = async (): Promise<ProcessSpec & { endpoint: string }> => ({
  command: process.execPath,
  args: [server],
  env: { PORT: '{port}' },
  endpoint: `127.0.0.1:${await findFreePort()}`,
  ready: 'listening',
})

const alpha = await spec()
const beta = await spec()

resolverConformance({
  name: 'processResolver',
  resolver: () => processResolver({ backends: { alpha, beta } }),
  known: [
    { key: 'alpha', endpoint: alpha.endpoint },
    { key: 'beta', endpoint: beta.endpoint },
  ],
  unknown: 'gamma',
  sync: true,
  asleep: 'alpha',
})
