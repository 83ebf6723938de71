import { Agent, createServer } from 'node:http'
import { createProxyServer } from 'httpxy'
import { backendOf, listenAndTell } from './runner.ts'

const { host, port } = backendOf(process.argv)
const proxy = createProxyServer({ target: `http://${host}:${port}`, agent: new Agent({ keepAlive: true }) })
const server = createServer((request, response) => void proxy.web(request, response))
server.keepAliveTimeout = 3_600_000
listenAndTell(server)
