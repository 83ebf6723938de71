import { existsSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import type { Subject } from '../subject.ts'
import { startRunner } from './node.ts'
import { packageVersion } from './version.ts'

type Name = 'tcp' | 'http' | 'postgres' | 'mysql' | 'mongodb' | 'smtp'

const packages = ['kernel', 'http', 'mongodb', 'mysql', 'postgres', 'smtp', 'tcp', 'transport-epoll']

/** What users run is the build; measuring the sources instead would measure something else. */
const isBuilt = (name: string): boolean =>
  existsSync(fileURLToPath(new URL(`../../../packages/${name}/dist/index.js`, import.meta.url)))

const on = (transport: 'node' | 'epoll', name: string, protocol: Name): Subject => ({
  name,
  version: async () => (packages.every(isBuilt) ? packageVersion('@proxy/kernel') : undefined),
  start: (bench, backend) => startRunner(bench, 'gateway.ts', backend, [protocol, transport]),
})

/** Our gateway, one process. */
export const gateway = (protocol: Name): Subject => on('node', 'gateway', protocol)

/** The same over system calls of our own. */
export const gatewayEpoll = (protocol: Name): Subject => on('epoll', 'gateway-epoll', protocol)
