import { type Address, type ConnectOptions, type ErrorCode, GatewayError, type Link } from '@proxy/kernel'
import { BROKEN, EALREADY, ECONNREFUSED, EINPROGRESS, EPOLLET, EPOLLOUT, ETIMEDOUT, READING } from './constants.ts'
import { EpollLink, type LinkContext } from './epoll-link.ts'
import type { Deferred, Pollable } from './poller.ts'
import { familyOf } from './socket-address.ts'
import { openSocket } from './sockets.ts'
import { systemError } from './system.ts'

/** Of the socket on its way, and of the link that it becomes. */
const WATCHED = EPOLLET | EPOLLOUT | READING

/** Connects to an IP literal. */
export function dial(to: Address, timeoutMs: number, signal: AbortSignal, context: LinkContext): Promise<Link> {
  // It may have been aborted while the name was looked up: then no event will tell.
  if (signal.aborted) return Promise.reject(GatewayError.from(signal.reason, 'PROXY_CLIENT_GONE'))
  return new Promise((resolve, reject) => {
    new Dialling(to, context, signal, resolve, reject).begin(timeoutMs)
  })
}

/** One connection attempt: ends in exactly one of connected, failed, timed out and aborted. */
class Dialling implements Pollable, Deferred {
  readonly #to: Address
  readonly #context: LinkContext
  readonly #signal: AbortSignal
  readonly #resolve: (link: Link) => void
  readonly #reject: (error: GatewayError) => void
  #fd = -1
  #failure: GatewayError | undefined = undefined
  #timer: NodeJS.Timeout | undefined = undefined

  constructor(
    to: Address,
    context: LinkContext,
    signal: AbortSignal,
    resolve: (link: Link) => void,
    reject: (error: GatewayError) => void,
  ) {
    this.#to = to
    this.#context = context
    this.#signal = signal
    this.#resolve = resolve
    this.#reject = reject
  }

  begin(timeoutMs: number): void {
    const { calls, poller } = this.#context
    try {
      this.#fd = openSocket(calls, familyOf(this.#to.host) ?? 0)
    } catch (cause) {
      return this.#reject(new GatewayError('PROXY_DIAL_UNREACHABLE', { cause }))
    }
    const errno = this.#connect()
    if (errno === EINPROGRESS || errno === EALREADY) return this.#wait(timeoutMs)
    if (errno !== 0) this.#failure = errorOf(errno)
    // Whoever aborts in the same turn is still heard.
    poller.defer(this)
  }

  onReady(events: number): void {
    const errno = (events & BROKEN) === 0 ? 0 : this.#context.calls.pendingError(this.#fd)
    if (errno !== 0) return this.#fail(errorOf(errno))
    this.#release()
    const link = new EpollLink(this.#fd, this.#context, this.#to, false, WATCHED)
    this.#context.poller.handOver(this.#fd, link)
    // A backend that speaks first may have done so: nothing tells of it again.
    link.onReady(events)
    this.#resolve(link)
  }

  /** The signal's 'abort'. */
  handleEvent(): void {
    this.#fail(GatewayError.from(this.#signal.reason, 'PROXY_CLIENT_GONE'))
  }

  onSettled(): void {
    if (this.#signal.aborted) this.#failure ??= GatewayError.from(this.#signal.reason, 'PROXY_CLIENT_GONE')
    if (this.#failure === undefined) return this.#resolve(new EpollLink(this.#fd, this.#context, this.#to, false))
    this.#context.calls.system.close(this.#fd)
    this.#reject(this.#failure)
  }

  /** A peer on this machine has answered by the time that `connect` returns; asked again, the system says what. */
  #connect(): number {
    const { calls } = this.#context
    const errno = calls.connect(this.#fd, this.#to)
    return errno === EINPROGRESS && isLoopback(this.#to.host) ? calls.connect(this.#fd, this.#to) : errno
  }

  #wait(timeoutMs: number): void {
    this.#signal.addEventListener('abort', this)
    this.#context.poller.add(this.#fd, this, WATCHED)
    this.#timer = setTimeout(() => this.#fail(new GatewayError('PROXY_DIAL_TIMEOUT')), timeoutMs)
  }

  #fail(error: GatewayError): void {
    this.#release()
    this.#failure = error
    this.#context.poller.forget(this.#fd)
    this.#context.poller.defer(this)
  }

  #release(): void {
    this.#signal.removeEventListener('abort', this)
    clearTimeout(this.#timer)
  }
}

const isLoopback = (host: string): boolean => host.startsWith('127.') || host === '::1'

function errorOf(errno: number): GatewayError {
  return new GatewayError(codeOf(errno), { cause: systemError(errno, 'connect') })
}

function codeOf(errno: number): ErrorCode {
  if (errno === ECONNREFUSED) return 'PROXY_DIAL_REFUSED'
  if (errno === ETIMEDOUT) return 'PROXY_DIAL_TIMEOUT'
  return 'PROXY_DIAL_UNREACHABLE'
}

/** A dial of a host name tries its addresses in turn, in the time for one. */
export async function dialAny(
  addresses: readonly Address[],
  { timeoutMs }: ConnectOptions,
  signal: AbortSignal,
  context: LinkContext,
): Promise<Link> {
  const deadline = performance.now() + timeoutMs
  let failure = new GatewayError('PROXY_DIAL_DNS')
  for (const address of addresses) {
    try {
      return await dial(address, Math.max(1, deadline - performance.now()), signal, context)
    } catch (error) {
      failure = GatewayError.from(error, 'PROXY_DIAL_UNREACHABLE')
      if (signal.aborted) throw failure
    }
  }
  throw failure
}
