import net, { isIPv6 } from 'node:net'
import { constants } from 'node:os'
import { getSystemErrorName } from 'node:util'

/** A bound socket in the hands of Node, which does not poll it before it is told to: the descriptor can be sent to another process. */
export interface SocketHandle {
  readonly fd: number
  /** Fills in the address; not 0: there is none. */
  getsockname(name: { port?: number }): number
  close(): void
}

type Bind = (host: string, port: number, family: 4 | 6, fd: undefined, flags: number) => SocketHandle | number

/** What Node's own cluster module binds by. */
const bind = (net as { readonly _createServerHandle?: Bind })._createServerHandle

/** libuv's UV_TCP_REUSEPORT: the system spreads connections over all sockets that are bound with it. */
const REUSEPORT = 2

export const canBindSockets: boolean = bind !== undefined

/**
 * Throws the system's error. `host` is an IP literal. `reusePort`: others that listen there with SO_REUSEPORT, under the same user, are
 * no obstacle.
 */
export function bindSocket(host: string, port: number, reusePort: boolean): SocketHandle {
  if (bind === undefined) throw new Error('Node gives out no bound socket')
  const handle = bind(host, port, isIPv6(host) ? 6 : 4, undefined, reusePort ? REUSEPORT : 0)
  if (typeof handle === 'number') throw bindError(handle, host, port)
  if (portOf(handle) !== 0) return handle
  // libuv may keep a failure until somebody listens. Listened on elsewhere, this one would be at any port.
  handle.close()
  throw bindError(-constants.errno.EADDRINUSE, host, port)
}

/** 0: it is not bound. */
export function portOf(handle: SocketHandle): number {
  const name: { port?: number } = {}
  return handle.getsockname(name) === 0 ? (name.port ?? 0) : 0
}

/** As Node reports it. */
export function bindError(errno: number, address: string, port: number): NodeJS.ErrnoException {
  const code = getSystemErrorName(errno)
  return Object.assign(new Error(`bind ${code} ${address}:${port}`), { errno, code, syscall: 'bind', address, port })
}
