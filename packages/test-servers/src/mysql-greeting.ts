import { once } from 'node:events'
import { connect } from 'node:net'

/** Settles with true when a server on the loopback greets as MySQL does, with false when it closes or cannot be reached. */
export async function greets(port: number): Promise<boolean> {
  const socket = connect(port, '127.0.0.1')
  try {
    const [first] = (await once(socket, 'data')) as [Buffer]
    return first[4] === 10
  } catch {
    return false
  } finally {
    socket.destroy()
  }
}
