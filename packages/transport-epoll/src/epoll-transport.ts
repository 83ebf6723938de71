import { arch, platform } from 'node:process'
import {
  type Acceptor,
  type Binding,
  type ConnectOptions,
  GatewayError,
  type Link,
  type ListenOptions,
  nodeTransport,
  type Transport,
} from '@proxy/kernel'
import { dial, dialAny } from './dialling.ts'
import type { LinkContext } from './epoll-link.ts'
import { HeldWrites } from './held-writes.ts'
import { layoutOf } from './layout.ts'
import { Listening } from './listening.ts'
import { LoopHandle } from './loop-handle.ts'
import { addressesOf } from './names.ts'
import { Poller } from './poller.ts'
import { familyOf } from './socket-address.ts'
import { SocketCalls } from './socket-calls.ts'
import { loadSystem } from './system.ts'

export interface EpollTransportOptions {
  /**
   * Told why connections are Node's sockets after all: another system or processor, or a runtime that does not give out what is
   * needed. Default: nobody is told.
   */
  readonly onFallback?: ((reason: string) => void) | undefined
}

/**
 * Connections by plain system calls and an epoll set that libuv watches, in the thread of the event loop. Linux on x86-64
 * and arm64; elsewhere it is the kernel's own transport over Node's sockets.
 */
export function epollTransport(options: EpollTransportOptions = {}): Transport {
  try {
    return new EpollTransport(sharedContext())
  } catch (error) {
    options.onFallback?.(error instanceof Error ? error.message : String(error))
    return nodeTransport()
  }
}

let shared: LinkContext | undefined = undefined

/** One epoll set serves the process. */
function sharedContext(): LinkContext {
  if (shared !== undefined) return shared
  if (platform !== 'linux') throw new Error(`there is no epoll on ${platform}`)
  const layout = layoutOf(arch)
  if (layout === undefined) throw new Error(`the layout of system calls on ${arch} is not known`)
  const system = loadSystem()
  const held = new HeldWrites()
  shared = { calls: new SocketCalls(system), poller: new Poller(system, layout, new LoopHandle(), held), held }
  return shared
}

class EpollTransport implements Transport {
  readonly name = 'epoll'
  readonly #context: LinkContext

  constructor(context: LinkContext) {
    this.#context = context
  }

  async listen(options: ListenOptions, acceptor: Acceptor): Promise<Binding> {
    const literal = options.fd !== undefined || familyOf(options.host) !== undefined
    const host = literal ? options.host : ((await addressesOf(options.host, options.port))[0]?.host ?? options.host)
    return new Listening({ ...options, host }, this.#context, acceptor)
  }

  connect(options: ConnectOptions, signal: AbortSignal): Promise<Link> {
    if (signal.aborted) return Promise.reject(GatewayError.from(signal.reason, 'PROXY_CLIENT_GONE'))
    const { host, port, timeoutMs } = options
    if (familyOf(host) !== undefined) return dial({ host, port }, timeoutMs, signal, this.#context)
    return addressesOf(host, port).then((addresses) => dialAny(addresses, options, signal, this.#context))
  }
}
