import type { Acceptor, Address, Binding, ListenOptions } from '@proxy/kernel'
import {
  EAGAIN,
  ECONNABORTED,
  EINTR,
  EMFILE,
  ENFILE,
  ENOBUFS,
  ENOMEM,
  EPOLLIN,
  SO_REUSEADDR,
  SO_REUSEPORT,
  SOL_SOCKET,
} from './constants.ts'
import { EpollLink, type LinkContext } from './epoll-link.ts'
import type { Deferred, Pollable } from './poller.ts'
import { familyOf } from './socket-address.ts'
import { openSocket, prepareSocket } from './sockets.ts'
import { systemError } from './system.ts'

const DEFAULT_BACKLOG = 4_096
/** Connections that are taken before the others get their turn. */
const MOST_AT_ONCE = 64
/** Nothing can be accepted before something else was closed. */
const PAUSE_MS = 100
const EXHAUSTED: ReadonlySet<number> = new Set([EMFILE, ENFILE, ENOBUFS, ENOMEM])

/** A bound address whose connections become links. */
export class Listening implements Binding, Pollable, Deferred {
  readonly address: Address
  readonly #fd: number
  /** The socket is the caller's, and others may listen on it too. */
  readonly #given: boolean
  readonly #context: LinkContext
  readonly #acceptor: Acceptor
  #pause: NodeJS.Timeout | undefined = undefined
  #closed: Promise<void> | undefined = undefined
  #settled: (() => void) | undefined = undefined

  /** Throws the system's error. `options.host` is an IP literal. */
  constructor(options: ListenOptions, context: LinkContext, acceptor: Acceptor) {
    this.#context = context
    this.#acceptor = acceptor
    this.#given = options.fd !== undefined
    this.#fd = options.fd === undefined ? bound(options, context) : given(options.fd, options, context)
    this.address = context.calls.localAddress(this.#fd) ?? { host: options.host, port: options.port }
    context.poller.add(this.#fd, this, EPOLLIN)
  }

  close(): Promise<void> {
    this.#closed ??= new Promise((resolve) => {
      clearTimeout(this.#pause)
      this.#settled = resolve
      // Closing takes it out of the set only when nobody else has the socket.
      this.#context.poller.remove(this.#fd)
      this.#context.poller.defer(this)
    })
    return this.#closed
  }

  onReady(): void {
    const { calls } = this.#context
    for (let count = 0; count < MOST_AT_ONCE && this.#closed === undefined; count++) {
      const fd = calls.accept(this.#fd)
      if (fd >= 0) this.#acceptor.onLink(new EpollLink(fd, this.#context, calls.accepted(), true))
      else if (!this.#goesOn(-fd)) return
    }
  }

  onSettled(): void {
    if (!this.#given) this.#context.calls.system.close(this.#fd)
    this.#settled?.()
  }

  /** Whether there may be another connection behind a failure. */
  #goesOn(errno: number): boolean {
    if (errno === EAGAIN) return false
    // The connection was gone before it was taken.
    if (errno === ECONNABORTED || errno === EINTR) return true
    if (EXHAUSTED.has(errno)) this.#backOff()
    this.#acceptor.onError(systemError(errno, 'accept'))
    return false
  }

  #backOff(): void {
    this.#context.poller.change(this.#fd, 0)
    this.#pause = setTimeout(() => this.#context.poller.change(this.#fd, EPOLLIN), PAUSE_MS)
    this.#pause.unref()
  }
}

function bound({ host, port, backlog = DEFAULT_BACKLOG, reusePort }: ListenOptions, { calls }: LinkContext): number {
  const family = familyOf(host)
  if (family === undefined) throw new TypeError(`${host} is no address`)
  const fd = openSocket(calls, family)
  calls.setOption(fd, SOL_SOCKET, SO_REUSEADDR, 1)
  if (reusePort === true) calls.setOption(fd, SOL_SOCKET, SO_REUSEPORT, 1)
  if (calls.bind(fd, { host, port }) === 0 && calls.system.listen(fd, backlog) === 0) return fd
  const error = listenError(calls.system.errno(), host, port)
  calls.system.close(fd)
  throw error
}

function given(fd: number, options: ListenOptions, { calls }: LinkContext): number {
  const { host, port, backlog = DEFAULT_BACKLOG, reusePort } = options
  prepareSocket(calls, fd)
  if (calls.system.listen(fd, backlog) !== 0) throw listenError(calls.system.errno(), host, port)
  // Not before: what was bound without it is refused where another one listens, and then nobody else can have the address.
  if (reusePort === true) calls.setOption(fd, SOL_SOCKET, SO_REUSEPORT, 1)
  return fd
}

/** With the address, as Node's errors have it. */
function listenError(errno: number, address: string, port: number): NodeJS.ErrnoException {
  return Object.assign(systemError(errno, 'listen'), { address, port })
}
