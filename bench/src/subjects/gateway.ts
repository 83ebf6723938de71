import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { Bench } from '../bench.ts'
import type { Subject } from '../subject.ts'
import { startRunner } from './node.ts'
import { packageVersion } from './version.ts'

type Name = 'tcp' | 'http' | 'https' | 'h2c' | 'h2' | 'postgres' | 'mysql' | 'mongodb' | 'smtp'

const packages = ['kernel', 'http', 'mongodb', 'mysql', 'postgres', 'smtp', 'tcp', 'tls', 'transport-epoll']

/** What users run is the build; measuring the sources instead would measure something else. */
const isBuilt = (name: string): boolean =>
  existsSync(fileURLToPath(new URL(`../../../packages/${name}/dist/index.js`, import.meta.url)))

/** For the runner's environment. */
const certificateOf = (bench: Bench, protocol: Name): Readonly<Record<string, string>> =>
  protocol === 'https' || protocol === 'h2'
    ? { BENCH_CERT: bench.certificate.certFile, BENCH_KEY: bench.certificate.keyFile }
    : {}

const on = (transport: 'node' | 'epoll', name: string, protocol: Name): Subject => ({
  name,
  version: async () => (packages.every(isBuilt) ? packageVersion('@proxy/kernel') : undefined),
  start: (bench, backend) =>
    startRunner(bench, 'gateway.ts', backend, [protocol, transport], certificateOf(bench, protocol)),
})

/** Our gateway, one process. */
export const gateway = (protocol: Name): Subject => on('node', 'gateway', protocol)

const watching = (on: 'node' | 'epoll', name: string, protocol: Name, lines: 'sessions' | 'requests'): Subject => ({
  name,
  version: async () => ([...packages, 'telemetry'].every(isBuilt) ? packageVersion('@proxy/kernel') : undefined),
  start: async (bench, backend) => {
    const log = join(bench.directory, `access-${name}-${protocol}.log`)
    return startRunner(bench, 'gateway.ts', backend, [protocol, on, await otlpSink(bench), log, lines])
  },
})

/** The same with everything on: metrics, 1 % of the traces, a line for each session. */
export const gatewayWatched = (protocol: Name): Subject =>
  watching('epoll', 'gateway-epoll-watched', protocol, 'sessions')

/** And a line for each HTTP request, which is off unless it is asked for. */
export const gatewayLines = (protocol: Name): Subject => watching('epoll', 'gateway-epoll-lines', protocol, 'requests')

/** Takes what is sent, on the core of the load. */
const otlpSink = async (bench: Bench): Promise<string> => {
  const server = createServer((request, response) => void request.resume().once('end', () => response.end('{}')))
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  bench.defer(() => new Promise<void>((resolve) => server.close(() => resolve()).closeAllConnections()))
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`
}

/** The same over system calls of our own. */
export const gatewayEpoll = (protocol: Name): Subject => on('epoll', 'gateway-epoll', protocol)
