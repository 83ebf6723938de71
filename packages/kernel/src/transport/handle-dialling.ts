import type { ConnectOptions, Link } from '../contracts.ts'
import { GatewayError } from '../errors.ts'
import { dialErrorCode } from './dial-error.ts'
import { DialWatch, type WatchedDial } from './dial-watch.ts'
import { handleError } from './direct-write.ts'
import { HandleLink } from './handle-link.ts'
import { type HeldDial, loopTurn } from './loop-turn.ts'
import { prepare } from './socket-options.ts'
import type { ConnectRequest, TcpHandle, TcpHandles } from './tcp-handles.ts'

const watch = new DialWatch()

/** Connects to an IP literal, at the end of this turn of the event loop. */
export function dialHandle(options: ConnectOptions, signal: AbortSignal, handles: TcpHandles): Promise<Link> {
  return new Promise((resolve, reject) => {
    loopTurn.dial(new HandleDialling(options, signal, handles, resolve, reject))
  })
}

/** One connection attempt: ends in exactly one of connected, failed, timed out and aborted. */
class HandleDialling implements HeldDial, WatchedDial {
  over = false
  readonly #options: ConnectOptions
  readonly #signal: AbortSignal
  readonly #handles: TcpHandles
  readonly #resolve: (link: Link) => void
  readonly #reject: (error: GatewayError) => void
  #handle: TcpHandle | undefined = undefined
  #timer: NodeJS.Timeout | undefined = undefined

  constructor(
    options: ConnectOptions,
    signal: AbortSignal,
    handles: TcpHandles,
    resolve: (link: Link) => void,
    reject: (error: GatewayError) => void,
  ) {
    this.#options = options
    this.#signal = signal
    this.#handles = handles
    this.#resolve = resolve
    this.#reject = reject
  }

  begin(): void {
    if (this.#signal.aborted) return this.handleEvent()
    const { host, port } = this.#options
    const request = this.#handles.connectRequest()
    request.dialling = this
    request.oncomplete = onConnect
    const handle = this.#handles.connecting()
    this.#handle = handle
    const result = host.includes(':') ? handle.connect6(request, host, port) : handle.connect(request, host, port)
    if (result < 0) this.#fail(errorOf(result))
    else watch.watch(this)
  }

  /** The signal's 'abort'. */
  handleEvent(): void {
    this.#fail(GatewayError.from(this.#signal.reason, 'PROXY_CLIENT_GONE'))
  }

  linger(elapsedMs: number): void {
    if (this.#signal.aborted) return this.handleEvent()
    this.#signal.addEventListener('abort', this)
    this.#timer = setTimeout(onTimeout, Math.max(0, this.#options.timeoutMs - elapsedMs), this)
  }

  timedOut(): void {
    this.#fail(new GatewayError('PROXY_DIAL_TIMEOUT'))
  }

  connected(handle: TcpHandle, status: number): void {
    if (this.over) return
    if (status < 0) return this.#fail(errorOf(status))
    if (this.#signal.aborted) return this.handleEvent()
    this.#release()
    prepare(handle)
    const { host, port } = this.#options
    this.#resolve(new HandleLink(handle, this.#handles, { host, port }))
  }

  #fail(error: GatewayError): void {
    this.#release()
    this.#handle?.close()
    this.#reject(error)
  }

  #release(): void {
    this.over = true
    if (this.#timer === undefined) return
    this.#signal.removeEventListener('abort', this)
    clearTimeout(this.#timer)
  }
}

export type { HandleDialling }

function onConnect(this: ConnectRequest, status: number, handle: TcpHandle): void {
  this.dialling?.connected(handle, status)
}

function onTimeout(dialling: HandleDialling): void {
  dialling.timedOut()
}

function errorOf(status: number): GatewayError {
  const cause = handleError(status, 'connect')
  return new GatewayError(dialErrorCode(cause), { cause })
}
