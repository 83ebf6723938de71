import type { LinkChannel } from './channel.ts'
import type { Address, Protocol } from './contracts.ts'
import { GatewayError } from './errors.ts'
import { parseProxyHeader, proxyHeaderFramer } from './proxy-protocol.ts'

/**
 * Reads the PROXY protocol header that a trusted sender must begin with, and makes its source the channel's peer. Returns the
 * address that the client connected to, when the header tells.
 */
export async function readProxyHeader(client: LinkChannel): Promise<Address | undefined> {
  const pair = parseProxyHeader(await client.read(proxyHeaderFramer))
  if (pair === 'local') return undefined
  client.peer = pair.source
  return pair.destination
}

/** Peeks until one of the protocols says that the bytes are its own; none does: `PROXY_MALFORMED`. */
export async function chooseProtocol(client: LinkChannel, protocols: readonly Protocol[]): Promise<Protocol> {
  let chosen: Protocol | undefined
  await client.peek((bytes) => {
    if (bytes.length === 0) return 0
    let undecided = false
    for (const protocol of protocols) {
      const answer = protocol.detect?.(bytes)
      if (answer === true) {
        chosen = protocol
        return 1
      }
      undecided ||= answer === undefined
    }
    if (undecided) return 0
    throw new GatewayError('PROXY_MALFORMED')
  })
  return chosen as Protocol
}
