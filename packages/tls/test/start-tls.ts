import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import type { Address } from '@proxy/kernel'

/** Does what the protocol of `setting.ts` wants before TLS. */
export async function startTls({ host, port }: Address): Promise<Socket> {
  const socket = connect({ host, port })
  socket.write('STARTTLS\n')
  const [go] = (await once(socket, 'data')) as [Buffer]
  if (go.toString() !== 'GO\n') throw new Error(`expected a go-ahead, got ${go.toString()}`)
  return socket
}
