import type { TLSSocket } from 'node:tls'

/** Nothing may go unheard: Node may report an error on a socket that nobody waits for any more. */
function ignore(): void {}

/**
 * Settles with `event`. Rejects with the error of the socket, or with the reason of `signal`; the socket, and the one
 * underneath, are then destroyed.
 */
export function handshake(socket: TLSSocket, event: 'secure' | 'secureConnect', signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const settle = (error: Error | undefined): void => {
      socket.off(event, succeed).off('error', settle).off('end', close).off('close', close)
      signal.removeEventListener('abort', abort)
      if (error === undefined) return resolve()
      socket.destroy()
      reject(error)
    }
    const succeed = (): void => settle(undefined)
    const close = (): void => settle(new Error('closed during the handshake'))
    const abort = (): void => settle(signal.reason instanceof Error ? signal.reason : new Error('aborted'))
    socket.on('error', ignore).on(event, succeed).on('error', settle).on('end', close).on('close', close)
    signal.addEventListener('abort', abort)
    if (signal.aborted) abort()
  })
}
