import { lookup } from 'node:dns/promises'
import { type Address, GatewayError } from '@proxy/kernel'
import { familyOf } from './socket-address.ts'

/** The addresses of a host: itself when it is an IP literal. Rejects with `PROXY_DIAL_DNS`. */
export async function addressesOf(host: string, port: number): Promise<readonly Address[]> {
  try {
    const found = await lookup(host, { all: true })
    return found.map(({ address }) => ({ host: address, port })).filter((one) => familyOf(one.host) !== undefined)
  } catch (cause) {
    throw new GatewayError('PROXY_DIAL_DNS', { cause })
  }
}
