import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { connect } from 'node:net'
import { root } from './workspace.ts'

export interface Started {
  stop(): Promise<void>
}

/** Runs a script with the repository's Node, until it is stopped by id. */
export async function start(cwd: string, script: string): Promise<Started> {
  const child: ChildProcess = spawn(`${root}node_modules/.bin/node`, [script], { cwd, stdio: 'inherit' })
  await once(child, 'spawn')
  return {
    async stop() {
      if (child.exitCode !== null) return
      const exited = once(child, 'exit')
      child.kill('SIGTERM')
      await exited
    },
  }
}

/** Connects as a PostgreSQL client that asks for a database, and returns what it is told. */
export async function firstRefusal(port: number, database: string): Promise<string> {
  for (let attempt = 1; ; attempt += 1) {
    try {
      return await ask(port, database)
    } catch (error) {
      if (attempt === 100) throw error
      await new Promise((resolve) => {
        setTimeout(resolve, 100)
      })
    }
  }
}

async function ask(port: number, database: string): Promise<string> {
  const socket = connect({ port, host: '127.0.0.1' })
  await once(socket, 'connect')
  const parameters = Buffer.from(`user\0someone\0database\0${database}\0\0`)
  const head = Buffer.alloc(8)
  head.writeUInt32BE(8 + parameters.length, 0)
  head.writeUInt32BE(0x0003_0000, 4)
  socket.write(Buffer.concat([head, parameters]))
  const chunks: Buffer[] = []
  for await (const chunk of socket) chunks.push(chunk as Buffer)
  return Buffer.concat(chunks).toString('latin1')
}
