import { isIPv6 } from 'node:net'
import type { ConnectOptions, Link } from '../contracts.ts'
import { GatewayError } from '../errors.ts'
import { dialErrorCode } from './dial-error.ts'
import { handleError } from './direct-write.ts'
import { HandleLink } from './handle-link.ts'
import { prepare } from './socket-options.ts'
import type { ConnectRequest, TcpHandle, TcpHandles } from './tcp-handles.ts'

/** Connects to an IP literal. */
export function dialHandle(options: ConnectOptions, signal: AbortSignal, handles: TcpHandles): Promise<Link> {
  return new Promise((resolve, reject) => {
    new HandleDialling(options, signal, handles, resolve, reject).begin()
  })
}

/** One connection attempt: ends in exactly one of connected, failed, timed out and aborted. */
class HandleDialling {
  readonly #options: ConnectOptions
  readonly #signal: AbortSignal
  readonly #handles: TcpHandles
  readonly #resolve: (link: Link) => void
  readonly #reject: (error: GatewayError) => void
  readonly #handle: TcpHandle
  #timer: NodeJS.Timeout | undefined = undefined
  #over = false

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
    this.#handle = handles.connecting()
  }

  begin(): void {
    const { host, port, timeoutMs } = this.#options
    const request = this.#handles.connectRequest()
    request.dialling = this
    request.oncomplete = onConnect
    const handle = this.#handle
    const result = isIPv6(host) ? handle.connect6(request, host, port) : handle.connect(request, host, port)
    if (result < 0) return this.#fail(errorOf(result))
    this.#signal.addEventListener('abort', this)
    this.#timer = setTimeout(onTimeout, timeoutMs, this)
  }

  /** The signal's 'abort'. */
  handleEvent(): void {
    this.#fail(GatewayError.from(this.#signal.reason, 'PROXY_CLIENT_GONE'))
  }

  timedOut(): void {
    this.#fail(new GatewayError('PROXY_DIAL_TIMEOUT'))
  }

  connected(status: number): void {
    if (this.#over) return
    if (status < 0) return this.#fail(errorOf(status))
    this.#release()
    prepare(this.#handle)
    const { host, port } = this.#options
    this.#resolve(new HandleLink(this.#handle, this.#handles, { host, port }))
  }

  #fail(error: GatewayError): void {
    this.#release()
    this.#handle.close()
    this.#reject(error)
  }

  #release(): void {
    this.#over = true
    this.#signal.removeEventListener('abort', this)
    clearTimeout(this.#timer)
  }
}

export type { HandleDialling }

function onConnect(this: ConnectRequest, status: number): void {
  this.dialling?.connected(status)
}

function onTimeout(dialling: HandleDialling): void {
  dialling.timedOut()
}

function errorOf(status: number): GatewayError {
  const cause = handleError(status, 'connect')
  return new GatewayError(dialErrorCode(cause), { cause })
}
