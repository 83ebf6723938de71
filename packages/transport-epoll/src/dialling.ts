import { type Address, type ConnectOptions, type ErrorCode, GatewayError, type Link } from '@proxy/kernel'
import { ECONNREFUSED, EINPROGRESS, EPOLLOUT, ETIMEDOUT } from './constants.ts'
import { EpollLink, type LinkContext } from './epoll-link.ts'
import type { Deferred, Pollable } from './poller.ts'
import { familyOf } from './socket-address.ts'
import { openSocket } from './sockets.ts'
import { systemError } from './system.ts'

/** Connects to an IP literal. */
export function dial(to: Address, timeoutMs: number, signal: AbortSignal, context: LinkContext): Promise<Link> {
  // It may have been aborted while the name was looked up: then no event will tell.
  if (signal.aborted) return Promise.reject(GatewayError.from(signal.reason, 'PROXY_CLIENT_GONE'))
  return new Promise((resolve, reject) => {
    new Dialling(context, signal, resolve, reject).begin(to, timeoutMs)
  })
}

/** One connection attempt: ends in exactly one of connected, failed, timed out and aborted. */
class Dialling implements Pollable, Deferred {
  readonly #context: LinkContext
  readonly #signal: AbortSignal
  readonly #resolve: (link: Link) => void
  readonly #reject: (error: GatewayError) => void
  #fd = -1
  #polled = false
  #connected = false
  #over = false
  #timer: NodeJS.Timeout | undefined = undefined

  constructor(
    context: LinkContext,
    signal: AbortSignal,
    resolve: (link: Link) => void,
    reject: (error: GatewayError) => void,
  ) {
    this.#context = context
    this.#signal = signal
    this.#resolve = resolve
    this.#reject = reject
  }

  begin(to: Address, timeoutMs: number): void {
    const { calls } = this.#context
    try {
      this.#fd = openSocket(calls, familyOf(to.host) ?? 0)
    } catch (cause) {
      return this.#reject(new GatewayError('PROXY_DIAL_UNREACHABLE', { cause }))
    }
    this.#signal.addEventListener('abort', this)
    const errno = calls.connect(this.#fd, to) === 0 ? 0 : calls.system.errno()
    if (errno === EINPROGRESS) return this.#wait(timeoutMs)
    // A peer on this machine answers at once; whoever aborts in the same turn is still heard.
    this.#connected = errno === 0
    if (this.#connected) this.#context.poller.defer(this)
    else this.#fail(new GatewayError(codeOf(errno), { cause: systemError(errno, 'connect') }))
  }

  onReady(): void {
    const errno = this.#context.calls.pendingError(this.#fd)
    if (errno !== 0) return this.#fail(new GatewayError(codeOf(errno), { cause: systemError(errno, 'connect') }))
    this.#release()
    this.#resolve(new EpollLink(this.#fd, this.#context))
  }

  /** The signal's 'abort'. */
  handleEvent(): void {
    this.#fail(GatewayError.from(this.#signal.reason, 'PROXY_CLIENT_GONE'))
  }

  onSettled(): void {
    if (this.#over) {
      this.#context.calls.system.close(this.#fd)
      return
    }
    this.#release()
    this.#resolve(new EpollLink(this.#fd, this.#context))
  }

  #wait(timeoutMs: number): void {
    this.#polled = true
    this.#context.poller.add(this.#fd, this, EPOLLOUT)
    this.#timer = setTimeout(() => this.#fail(new GatewayError('PROXY_DIAL_TIMEOUT')), timeoutMs)
  }

  #fail(error: GatewayError): void {
    this.#over = true
    this.#release()
    // One that connected at once is settled in any case, and closed then.
    if (!this.#connected) this.#context.poller.defer(this)
    this.#reject(error)
  }

  #release(): void {
    this.#signal.removeEventListener('abort', this)
    clearTimeout(this.#timer)
    if (this.#polled) this.#context.poller.remove(this.#fd)
  }
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
