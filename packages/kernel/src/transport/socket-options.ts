import type { TcpHandle } from './tcp-handles.ts'

/** Idle seconds before the first keepalive probe: finds peers that vanished without a FIN. */
export const KEEPALIVE_SECONDS = 30

/** No Nagle delay, and keepalive. */
export function prepare(handle: TcpHandle): void {
  handle.setNoDelay(true)
  handle.setKeepAlive(true, KEEPALIVE_SECONDS)
}
