import { connect, createServer, isIP, type Server, type Socket } from 'node:net'
import type { Acceptor, Binding, ConnectOptions, Link, ListenOptions, Transport } from '../contracts.ts'
import { GatewayError } from '../errors.ts'
import { dialErrorCode } from './dial-error.ts'
import { handleError } from './direct-write.ts'
import { dialHandle } from './handle-dialling.ts'
import { HandleLink } from './handle-link.ts'
import { NodeLink, onread } from './node-link.ts'
import { loopTurn } from './loop-turn.ts'
import { KEEPALIVE_SECONDS, prepare } from './socket-options.ts'
import { type TcpHandle, type TcpHandles, tcpHandles } from './tcp-handles.ts'

const keepAliveMs = KEEPALIVE_SECONDS * 1_000

class NodeTransport implements Transport {
  readonly name = 'node'
  readonly #handles: TcpHandles | undefined

  constructor(handles: TcpHandles | undefined) {
    this.#handles = handles
  }

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
        if (this.#handles !== undefined) acceptHandles(server, this.#handles, acceptor)
        resolve(bindingOf(server))
      })
    })
  }

  connect(options: ConnectOptions, signal: AbortSignal): Promise<Link> {
    if (signal.aborted) return Promise.reject(GatewayError.from(signal.reason, 'PROXY_CLIENT_GONE'))
    if (this.#handles !== undefined && isIP(options.host) !== 0) return dialHandle(options, signal, this.#handles)
    return new Promise((resolve, reject) => {
      new Connecting(options, signal, resolve, reject)
    })
  }
}

interface ListeningHandle extends Partial<TcpHandle> {
  onconnection?: (status: number, handle: TcpHandle) => void
}

/** Takes connections over before the server makes sockets of them. */
function acceptHandles(server: Server, handles: TcpHandles, acceptor: Acceptor): void {
  const { _handle: listening } = server as Server & { _handle?: ListeningHandle | null }
  if (typeof listening?.onconnection !== 'function') return
  const prepared = prepareAccepted(listening)
  listening.onconnection = (status, handle) => {
    if (status < 0) return acceptor.onError(handleError(status, 'accept'))
    loopTurn.accepted()
    if (!prepared) prepare(handle)
    acceptor.onLink(new HandleLink(handle, handles))
  }
}

/** On Linux a connection has the options of the socket that it came in through. In a worker that one may be the primary's. */
function prepareAccepted(listening: ListeningHandle): boolean {
  if (process.platform !== 'linux' || listening.setNoDelay === undefined) return false
  return prepare(listening as TcpHandle)
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
  this[CONNECTING]?.fail(new GatewayError(dialErrorCode(error), { cause: error }))
}

function onConnectTimeout(connecting: Connecting): void {
  connecting.fail(new GatewayError('PROXY_DIAL_TIMEOUT'))
}

function ignore(): void {}

/**
 * Node's TCP sockets: no Nagle delay, keepalive after 30 s of silence, half-open allowed, reads into one shared buffer
 * where Node allows it. The kernel's default.
 */
export function nodeTransport(): Transport {
  return new NodeTransport(tcpHandles)
}

/** The same where the runtime gives no handles out. */
export function socketTransport(): Transport {
  return new NodeTransport(undefined)
}
