import { connect, createServer } from 'node:net'
import { backendOf, listenAndTell } from './runner.ts'

const backend = backendOf(process.argv)

listenAndTell(
  createServer({ allowHalfOpen: true, noDelay: true }, (client) => {
    const upstream = connect({ ...backend, allowHalfOpen: true, noDelay: true })
    client.on('error', () => upstream.destroy())
    upstream.on('error', () => client.destroy())
    client.pipe(upstream)
    upstream.pipe(client)
  }),
)
