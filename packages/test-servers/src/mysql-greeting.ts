import { connect } from 'node:net'

/** Settles with true when a server on the loopback greets as MySQL does, with false when it closes or cannot be reached. */
export async function greets(port: number): Promise<boolean> {
  const socket = connect(port, '127.0.0.1')
  let seen = Buffer.alloc(0)
  try {
    for await (const chunk of socket) {
      seen = Buffer.concat([seen, chunk as Buffer])
      if (seen.length > 4) return seen[4] === 10
    }
    return false
  } catch {
    return false
  } finally {
    socket.destroy()
  }
}
