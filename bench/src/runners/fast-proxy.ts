import { createServer } from 'node:http'
import fastProxy from 'fast-proxy'
import { backendOf, listenAndTell } from './runner.ts'

const { host, port } = backendOf(process.argv)
const { proxy } = fastProxy({ base: `http://${host}:${port}`, undici: { connections: 256, pipelining: 1 } })
const server = createServer((request, response) => proxy(request, response, request.url ?? '/', {}))
server.keepAliveTimeout = 3_600_000
listenAndTell(server)
