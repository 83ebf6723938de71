import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import type { Address } from '@proxy/kernel'

/** Listens with room for one connection that nobody accepts, and says where. */
const program = `
  const server = require('node:net').createServer()
  server.listen({ port: 0, host: '127.0.0.1', backlog: 1 }, () => console.log('port ' + server.address().port))
`

export interface SilentListener {
  readonly address: Address
  close(): Promise<void>
}

/**
 * An address of this machine at which the system answers no dial: a process that was stopped, with its queue full. For
 * transports that dial real addresses.
 */
export async function silentListener(): Promise<SilentListener> {
  const child = spawn(process.execPath, ['-e', program], { stdio: ['ignore', 'pipe', 'inherit'] })
  const [said] = await once(child.stdout, 'data')
  const address = { host: '127.0.0.1', port: Number(/port (\d+)/.exec(String(said))?.[1]) }
  child.kill('SIGSTOP')
  const fillers = [await connected(address), await connected(address)]
  return { address, close: () => closed(child, fillers) }
}

async function connected(address: Address): Promise<Socket> {
  const socket = connect(address)
  await once(socket, 'connect')
  return socket.on('error', () => undefined)
}

async function closed(child: ChildProcess, fillers: readonly Socket[]): Promise<void> {
  for (const socket of fillers) socket.destroy()
  child.kill('SIGKILL')
  await once(child, 'exit')
}
