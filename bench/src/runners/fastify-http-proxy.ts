import httpProxy from '@fastify/http-proxy'
import { fastify } from 'fastify'
import { backendOf, tellPortOf } from './runner.ts'

const { host, port } = backendOf(process.argv)
const server = fastify({ logger: false, keepAliveTimeout: 3_600_000 })
await server.register(httpProxy, {
  upstream: `http://${host}:${port}`,
  undici: { connections: 256, pipelining: 1, keepAliveTimeout: 3_600_000 },
})
await server.listen({ host: '127.0.0.1', port: 0, backlog: 65_535 })
tellPortOf(server.server)
