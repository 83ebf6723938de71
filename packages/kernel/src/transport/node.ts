import { connect, createServer, isIP, type Server, type Socket } from 'node:net'
import type { Acceptor, Binding, ConnectOptions, Link, ListenOptions, Transport } from '../contracts.ts'
import { type ErrorCode, GatewayError } from '../errors.ts'
import { NodeLink, onread } from './node-link.ts'

/** Idle seconds before the first keepalive probe: finds peers that vanished without a FIN. */
const keepAliveMs = 30_000

class NodeTransport implements Transport {
  readonly name = 'node'

  listen(options: ListenOptions, acceptor: Acceptor): Promise<Binding> {
    // A server of Node's would close the descriptor, which is the caller's.
    if (options.fd !== undefined) return Promise.reject(new TypeError('the node transport listens on no descriptor'))
    const server = createServer({
      allowHalfOpen: true,
      pauseOnConnect: true,
      noDelay: true,
      keepAlive: true,
      keepAliveInitialDelay: keepAliveMs,
    })
    return new Promise((resolve, reject) => {
      server.once('error', reject)
      server.listen(listenArguments(options), () => {
        server.off('error', reject)
        server.on('error', (error) => acceptor.onError(error))
        server.on('connection', (socket: Socket) => acceptor.onLink(NodeLink.accepted(socket)))
        resolve(bindingOf(server))
      })
    })
  }

  connect(options: ConnectOptions, signal: AbortSignal): Promise<Link> {
    if (signal.aborted) return Promise.reject(GatewayError.from(signal.reason, 'PROXY_CLIENT_GONE'))
    return new Promise((resolve, reject) => {
      new Connecting(options, signal, resolve, reject)
    })
  }
}

function listenArguments(options: ListenOptions): object {
  const { host, port, backlog = 4096, reusePort } = options
  return reusePort === true ? { host, port, backlog, reusePort, exclusive: true } : { host, port, backlog }
}

function bindingOf(server: Server): Binding {
  const bound = server.address()
  const address =
    typeof bound === 'object' && bound !== null ? { host: bound.address, port: bound.port } : { host: '', port: 0 }
  return { address, close: () => closeServer(server) }
}

/** 'close' would wait for every connection to end; the socket itself is gone one turn of the loop later. */
function closeServer(server: Server): Promise<void> {
  server.close()
  return new Promise((resolve) => {
    setImmediate(resolve)
  })
}

const CONNECTING: unique symbol = Symbol('connecting')

type ConnectingSocket = Socket & { [CONNECTING]?: Connecting | undefined }

/** One connection attempt: ends in exactly one of connected, failed, timed out and aborted. */
class Connecting {
  readonly #socket: ConnectingSocket
  readonly #signal: AbortSignal
  readonly #timer: NodeJS.Timeout
  readonly #resolve: (link: Link) => void
  readonly #reject: (error: GatewayError) => void

  constructor(
    options: ConnectOptions,
    signal: AbortSignal,
    resolve: (link: Link) => void,
    reject: (error: GatewayError) => void,
  ) {
    this.#signal = signal
    this.#resolve = resolve
    this.#reject = reject
    this.#socket = connect({
      host: options.host,
      port: options.port,
      allowHalfOpen: true,
      noDelay: true,
      keepAlive: true,
      keepAliveInitialDelay: keepAliveMs,
      autoSelectFamily: isIP(options.host) === 0,
      onread,
    })
    this.#socket[CONNECTING] = this
    this.#socket.pause()
    this.#socket.on('connect', onConnect)
    this.#socket.on('error', onConnectError)
    // Not the socket's own timeout: that one stays with the socket, dead, for as long as it lives.
    this.#timer = setTimeout(onConnectTimeout, options.timeoutMs, this)
    signal.addEventListener('abort', this)
  }

  /** The signal's 'abort'. */
  handleEvent(): void {
    this.fail(GatewayError.from(this.#signal.reason, 'PROXY_CLIENT_GONE'))
  }

  connected(): void {
    this.#release()
    this.#resolve(NodeLink.dialled(this.#socket))
  }

  fail(error: GatewayError): void {
    this.#release()
    // A socket that is destroyed while it connects may still report an error, which nobody waits for any more.
    this.#socket.on('error', ignore)
    this.#socket.destroy()
    this.#reject(error)
  }

  #release(): void {
    const socket = this.#socket
    this.#signal.removeEventListener('abort', this)
    clearTimeout(this.#timer)
    socket.off('connect', onConnect)
    socket.off('error', onConnectError)
    socket[CONNECTING] = undefined
  }
}

function onConnect(this: ConnectingSocket): void {
  this[CONNECTING]?.connected()
}

function onConnectError(this: ConnectingSocket, error: NodeJS.ErrnoException): void {
  this[CONNECTING]?.fail(new GatewayError(codeOf(error), { cause: error }))
}

function onConnectTimeout(connecting: Connecting): void {
  connecting.fail(new GatewayError('PROXY_DIAL_TIMEOUT'))
}

function ignore(): void {}

function codeOf(error: NodeJS.ErrnoException): ErrorCode {
  if (error.syscall === 'getaddrinfo') return 'PROXY_DIAL_DNS'
  if (error.code === 'ECONNREFUSED') return 'PROXY_DIAL_REFUSED'
  if (error.code === 'ETIMEDOUT') return 'PROXY_DIAL_TIMEOUT'
  return 'PROXY_DIAL_UNREACHABLE'
}

/**
 * Node's TCP sockets: no Nagle delay, keepalive after 30 s of silence, half-open allowed, reads into one shared buffer
 * where Node allows it. The kernel's default.
 */
export function nodeTransport(): Transport {
  return new NodeTransport()
}
