import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { expect, test } from 'vitest'

const program = fileURLToPath(new URL('./__fixtures__/few-descriptors.ts', import.meta.url))

/** Runs the listener with room for a few connections, and gives what it says, line by line. */
function listener(): { lines: AsyncIterator<string>; end: () => Promise<unknown> } {
  const command = `ulimit -n 48 && exec "$0" --conditions=@proxy/source "$1"`
  const child = spawn('sh', ['-c', command, process.execPath, program], { stdio: ['ignore', 'pipe', 'inherit'] })
  const lines = createInterface(child.stdout)[Symbol.asyncIterator]()
  return {
    lines,
    end: async () => {
      child.kill('SIGKILL')
      await once(child, 'exit')
    },
  }
}

async function until(lines: AsyncIterator<string>, text: string): Promise<string> {
  for (;;) {
    const { value, done } = await lines.next()
    if (done === true) throw new Error(`the listener ended before it said ${text}`)
    if (value.startsWith(text)) return value.slice(text.length)
  }
}

test('without descriptors it says so, waits, and goes on when there are some again', async () => {
  const { lines, end } = listener()
  const port = Number(await until(lines, 'port '))
  const sockets: Socket[] = []
  try {
    for (let count = 0; count < 60; count++) sockets.push(connect(port, '127.0.0.1').on('error', () => undefined))
    expect(await until(lines, 'error ')).toBe('EMFILE')
    const accepted = Number(await until(lines, 'accepted '))
    expect(accepted).toBeLessThan(60)
    for (const socket of sockets.slice(0, 40)) socket.destroy()
    await until(lines, 'all 60')
  } finally {
    for (const socket of sockets) socket.destroy()
    await end()
  }
})
