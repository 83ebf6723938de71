import { connect, createServer, type AddressInfo } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'

/** A loopback port that was free a moment ago, for servers that cannot choose one themselves. */
export const freePort = async (): Promise<number> => {
  const server = createServer()
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject)
    server.listen(0, '127.0.0.1', resolve)
  })
  const { port } = server.address() as AddressInfo
  await new Promise((resolve) => server.close(resolve))
  return port
}

const accepts = (port: number): Promise<boolean> =>
  new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1')
    socket.once('connect', () => {
      socket.destroy()
      resolve(true)
    })
    socket.once('error', () => resolve(false))
  })

/** Settles when somebody accepts on the port; rejects when `failed` says why nobody will. */
export const listening = async (port: number, failed: () => string | undefined): Promise<void> => {
  for (let attempt = 0; attempt < 250; attempt++) {
    if (await accepts(port)) return
    const reason = failed()
    if (reason !== undefined) throw new Error(`did not start: ${reason}`)
    await sleep(20)
  }
  throw new Error('does not listen after five seconds')
}
