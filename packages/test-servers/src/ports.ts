import { createServer } from 'node:net'

// Below the range from which the system takes ports for outgoing connections, so that none of those gets in the way.
const lowest = 12_000
const highest = 32_000

const given = new Set<number>()

/** A TCP port that nobody listens on at this moment, on any loopback address. Never the same one twice in a process. */
export async function findFreePort(): Promise<number> {
  for (;;) {
    const port = lowest + Math.floor(Math.random() * (highest - lowest))
    if (given.has(port)) continue
    given.add(port)
    if (await isFree(port)) return port
  }
}

function isFree(port: number): Promise<boolean> {
  const server = createServer()
  return new Promise((resolve) => {
    server.once('error', () => resolve(false))
    server.listen({ port, host: '127.0.0.1' }, () => server.close(() => resolve(true)))
  })
}
