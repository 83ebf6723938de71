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

export const canBindSockets: boolean = bind !== undefined

/** Throws the system's error. `host` is an IP literal. */
export function bindSocket(host: string, port: number): SocketHandle {
  if (bind === undefined) throw new Error('Node gives out no bound socket')
  const handle = bind(host, port, isIPv6(host) ? 6 : 4, undefined, 0)
  if (typeof handle === 'number') throw bindError(handle, host, port)
  if (hasPort(handle)) return handle
  // libuv may keep a failure until somebody listens. Listened on elsewhere, this one would be at any port.
  handle.close()
  throw bindError(-constants.errno.EADDRINUSE, host, port)
}

function hasPort(handle: SocketHandle): boolean {
  const name: { port?: number } = {}
  return handle.getsockname(name) === 0 && name.port !== undefined && name.port !== 0
}

/** As Node reports it. */
export function bindError(errno: number, address: string, port: number): NodeJS.ErrnoException {
  const code = getSystemErrorName(errno)
  return Object.assign(new Error(`bind ${code} ${address}:${port}`), { errno, code, syscall: 'bind', address, port })
}
