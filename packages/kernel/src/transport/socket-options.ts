import type { TcpHandle } from './tcp-handles.ts'

/** Idle seconds before the first keepalive probe: finds peers that vanished without a FIN. */
export const KEEPALIVE_SECONDS = 30

/** No Nagle delay, and keepalive. Whether the socket has taken both. */
export function prepare(handle: TcpHandle): boolean {
  const noDelay = handle.setNoDelay(true)
  return handle.setKeepAlive(true, KEEPALIVE_SECONDS) === 0 && noDelay === 0
}
