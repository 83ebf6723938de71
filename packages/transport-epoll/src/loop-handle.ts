import type { System } from './system.ts'

/** The part of libuv's handle for datagram sockets that is needed; Node's binding for it. */
interface DatagramHandle {
  readonly fd: number
  bind(host: string, port: number, flags: number): number
  recvStart(): number
  recvStop(): number
  ref(): void
  unref(): void
}

interface DatagramBinding {
  readonly UDP?: new (type: number) => DatagramHandle
}

function binding(): DatagramBinding {
  try {
    return (process as unknown as { binding(name: string): DatagramBinding }).binding('udp_wrap')
  } catch {
    return {}
  }
}

const LIBUV_SOCKET = 0

/**
 * A descriptor of libuv's that stands for one of ours. libuv has no call for watching a descriptor of any kind; it watches
 * the socket of a datagram handle, and `dup2` puts our descriptor in its place. Whenever ours is readable, libuv tries to
 * receive a datagram, is told that this is no socket, and says so to `onmessage`: that is the wake-up. Nothing is ever
 * received or lost by it.
 */
export class LoopHandle {
  readonly #handle: DatagramHandle

  /** Throws where Node does not give such a handle out. */
  constructor() {
    const { UDP } = binding()
    if (UDP === undefined) throw new Error('Node has no binding for datagram handles')
    this.#handle = new UDP(LIBUV_SOCKET)
    // The handle has no descriptor before it is bound.
    if (this.#handle.bind('127.0.0.1', 0, 0) !== 0 && this.#handle.fd < 0) throw new Error('no datagram socket')
    this.#handle.unref()
  }

  watch(fd: number, system: System, wake: () => void): void {
    if (this.#handle.fd < 0 || system.duplicate(fd, this.#handle.fd) < 0) throw new Error('dup2 failed')
    Object.assign(this.#handle, { onmessage: wake })
    this.#handle.recvStart()
  }

  /** Keeps the process alive. */
  ref(): void {
    this.#handle.ref()
  }

  unref(): void {
    this.#handle.unref()
  }
}
