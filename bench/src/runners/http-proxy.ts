import { Agent, createServer } from 'node:http'
import httpProxy from 'http-proxy'
import { backendOf, listenAndTell } from './runner.ts'

const { host, port } = backendOf(process.argv)
const proxy = httpProxy.createProxyServer({ target: `http://${host}:${port}`, agent: new Agent({ keepAlive: true }) })
const server = createServer((request, response) => proxy.web(request, response))
server.keepAliveTimeout = 3_600_000
listenAndTell(server)
