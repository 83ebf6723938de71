import type { AddressInfo } from 'node:net'
import { canWriteDirectly, type WriteHandle } from './direct-write.ts'
import type { HandleDialling } from './handle-dialling.ts'
import type { HandleLink } from './handle-link.ts'

/** Node's handle of a TCP socket, which `net.Socket` is built on. Calls give 0, or a negative errno. */
export interface TcpHandle extends WriteHandle {
  /** Ours: whose handle it is. */
  link?: HandleLink | undefined
  /** Called after a read; what came of it is in the state that all streams share. */
  onread: (this: TcpHandle) => void
  useUserBuffer(buffer: Buffer): void
  readStart(): number
  readStop(): number
  shutdown(request: ShutdownRequest): number
  close(closed?: (this: TcpHandle) => void): void
  /** Closes by RST. Not while a shutdown is under way: then it fails, and leaves a handle that cannot be closed. */
  reset(closed: (this: TcpHandle) => void): number
  connect(request: ConnectRequest, host: string, port: number): number
  connect6(request: ConnectRequest, host: string, port: number): number
  setNoDelay(on: boolean): number
  setKeepAlive(on: boolean, idleSeconds: number): number
  getsockname(into: Partial<AddressInfo>): number
  getpeername(into: Partial<AddressInfo>): number
}

export interface ShutdownRequest {
  oncomplete: (this: ShutdownRequest) => void
  link: HandleLink | undefined
}

export interface ConnectRequest {
  oncomplete: (this: ConnectRequest, status: number, handle: TcpHandle) => void
  dialling: HandleDialling | undefined
}

interface Bindings {
  readonly TCP?: new (type: number) => TcpHandle
  readonly TCPConnectWrap?: new () => ConnectRequest
  readonly ShutdownWrap?: new () => ShutdownRequest
  readonly streamBaseState?: Int32Array
  readonly kReadBytesOrError?: number
}

/** What connections are made of below `net.Socket`. */
export interface TcpHandles {
  connecting(): TcpHandle
  connectRequest(): ConnectRequest
  shutdownRequest(): ShutdownRequest
  /** What the latest read gave: how many bytes, or a negative errno. */
  lastRead(): number
}

const SOCKET = 0

function binding(name: string): Bindings {
  try {
    return (process as unknown as { binding(name: string): Bindings }).binding(name)
  } catch {
    return {}
  }
}

function find(): TcpHandles | undefined {
  const { TCP, TCPConnectWrap } = binding('tcp_wrap')
  const { ShutdownWrap, streamBaseState, kReadBytesOrError } = binding('stream_wrap')
  if (!canWriteDirectly || TCP === undefined || TCPConnectWrap === undefined || ShutdownWrap === undefined)
    return undefined
  if (streamBaseState === undefined || kReadBytesOrError === undefined) return undefined
  if (typeof TCP.prototype.useUserBuffer !== 'function') return undefined
  return {
    connecting: () => new TCP(SOCKET),
    connectRequest: () => new TCPConnectWrap(),
    shutdownRequest: () => new ShutdownWrap(),
    lastRead: () => streamBaseState[kReadBytesOrError] as number,
  }
}

/** undefined where the runtime does not give them out (the permission model, other runtimes). */
export const tcpHandles: TcpHandles | undefined = find()
