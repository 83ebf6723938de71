import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import type { Readable } from 'node:stream'
import { type Address, streamRelay } from '@proxy/kernel'
import { relayConformance, transportConformance } from '@proxy/testkit'
import { afterAll, beforeAll } from 'vitest'
import { strictTransport } from './__fixtures__/strict.ts'

/** Listens with room for one connection that nobody accepts, and says where. */
const listener = `
  const server = require('node:net').createServer()
  server.listen({ port: 0, host: '127.0.0.1', backlog: 1 }, () => console.log('port ' + server.address().port))
`

const fillers: Socket[] = []
let silent: Address
let child: ChildProcess

// A stopped process accepts nothing; once its queue is full, the system answers no further dial.
beforeAll(async () => {
  child = spawn(process.execPath, ['-e', listener], { stdio: ['ignore', 'pipe', 'inherit'] })
  const [said] = await once(child.stdout as Readable, 'data')
  silent = { host: '127.0.0.1', port: Number(/port (\d+)/.exec(String(said))?.[1]) }
  child.kill('SIGSTOP')
  for (let count = 0; count < 2; count++) {
    const socket = connect(silent)
    fillers.push(socket)
    await once(socket, 'connect')
  }
})

afterAll(async () => {
  for (const socket of fillers) socket.on('error', () => undefined).destroy()
  child.kill('SIGKILL')
  await once(child, 'exit')
})

transportConformance({
  name: 'the epoll transport',
  transport: strictTransport,
  unanswered: () => ({ address: silent, pass: () => undefined }),
})
transportConformance({ name: 'the epoll transport over IPv6', transport: strictTransport, host: '::1' })
relayConformance({
  name: 'the stream relay over the epoll transport',
  relay: () => streamRelay(),
  transport: strictTransport,
})
