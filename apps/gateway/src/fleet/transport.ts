import { nodeTransport, type Transport } from '@proxy/kernel'
import { epollTransport } from '@proxy/transport-epoll'
import type { LoadedConfig } from '../config/load.ts'
import { ConfigError } from '../config/problems.ts'
import { canBindSockets } from './bind-socket.ts'
import type { BorrowedSockets } from './borrowed-sockets.ts'
import { SharedTransport } from './shared-transport.ts'

export type TransportName = 'node' | 'epoll'

/**
 * What connections are made by, in this process or in all of its workers. `fellBack` is told why it is not epoll where that may be
 * left open; where it may not, this throws {@link ConfigError}.
 */
export function chooseTransport(
  { config, source }: Pick<LoadedConfig, 'config' | 'source'>,
  workers: number,
  fellBack: (reason: string) => void,
): Transport {
  const { transport = 'auto' } = config
  if (transport === 'node') return nodeTransport()
  const onFallback = (reason: string): void => {
    if (transport === 'auto') return fellBack(reason)
    const problem = { path: 'transport', message: `cannot be epoll: ${reason}.`, suggestion: 'Write "auto" or "node".' }
    throw new ConfigError(source, [problem])
  }
  if (workers === 1 || canBindSockets) return epollTransport({ onFallback })
  onFallback('this runtime has no sockets that workers can share')
  return nodeTransport()
}

export const nameOf = ({ name }: Transport): TransportName => (name === 'epoll' ? 'epoll' : 'node')

/** The same in a worker, where it was chosen for all of them. */
export function workerTransport(name: TransportName, sockets: BorrowedSockets): Transport {
  if (name === 'node') return nodeTransport()
  const onFallback = (reason: string): void => {
    throw new Error(`this worker cannot have epoll: ${reason}`)
  }
  return new SharedTransport(epollTransport({ onFallback }), sockets)
}
