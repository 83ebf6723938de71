import type { AddressInfo, Server } from 'node:net'
import type { Address } from '../subject.ts'

/** The backend that a runner is told of. */
export const backendOf = (args: readonly string[]): Address => ({ host: args[2] ?? '', port: Number(args[3]) })

/** Tells the harness where the proxy listens. */
export const tellPort = (port: number): void => void process.stdout.write(`${JSON.stringify({ port })}\n`)

export const tellPortOf = (server: Server): void => tellPort((server.address() as AddressInfo).port)

/** Listens on a free port with the longest queue, and tells it. */
export const listenAndTell = (server: Server): void => {
  server.listen({ host: '127.0.0.1', port: 0, backlog: 65_535 }, () => tellPortOf(server))
}
