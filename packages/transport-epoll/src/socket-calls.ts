import type { Address } from '@proxy/kernel'
import { SEND_FLAGS, SO_ERROR, SO_LINGER, SOCK_FLAGS, SOL_SOCKET } from './constants.ts'
import { type Block, addressIn, block, offsetIn } from './memory.ts'
import { ADDRESS_BYTES, readAddress, writeAddress } from './socket-address.ts'
import type { System } from './system.ts'

/** Large enough that one call empties what a fast peer has sent meanwhile. */
const READ_BYTES = 262_144
const SCRATCH_BYTES = 65_536

/**
 * The calls on sockets, with the blocks of memory that they share: one thread makes them, one after the other, and none
 * keeps a block beyond its return.
 */
export class SocketCalls {
  readonly system: System
  readonly #read = block(READ_BYTES)
  readonly #scratch = block(SCRATCH_BYTES)
  readonly #address = block(ADDRESS_BYTES)
  /** Where the latest dial led: the next one often leads there, too. */
  readonly #target = block(ADDRESS_BYTES)
  readonly #number = block(8)
  readonly #length = block(8)
  #dialled: Address = { host: '', port: 0 }
  #targetLength = 0

  constructor(system: System) {
    this.system = system
  }

  /** How many bytes came, 0 for the peer's FIN, or a negative errno; the bytes are in `received` until the next call. */
  receive(fd: number): number {
    const length = this.system.receive(fd, this.#read.address, READ_BYTES, 0)
    return length < 0 ? -this.system.errno() : length
  }

  /** Whether a read of that length had no room for more. */
  filled(length: number): boolean {
    return length === READ_BYTES
  }

  received(length: number): Buffer {
    return this.#read.bytes.subarray(0, length)
  }

  /** How many bytes the system took of those in a block, or a negative errno. */
  sendFrom(fd: number, from: Block, start: number, length: number): number {
    const sent = this.system.send(fd, addressIn(from, start, length), length, SEND_FLAGS)
    return sent < 0 ? -this.system.errno() : sent
  }

  /** The same for bytes from anywhere; what was just received is sent from where it is. */
  send(fd: number, bytes: Uint8Array): number {
    const { length } = bytes
    const offset = offsetIn(this.#read, bytes)
    if (offset >= 0) return this.sendFrom(fd, this.#read, offset, length)
    if (length > SCRATCH_BYTES) return this.#sendParts(fd, bytes)
    this.#scratch.bytes.set(bytes)
    return this.sendFrom(fd, this.#scratch, 0, length)
  }

  setOption(fd: number, level: number, name: number, value: number): number {
    this.#number.bytes.writeInt32LE(value)
    return this.system.setOption(fd, level, name, this.#number.address, 4)
  }

  /** From now on closing discards what was not sent, and tells the peer by RST. */
  resetOnClose(fd: number): void {
    this.#number.bytes.writeInt32LE(1, 0)
    this.#number.bytes.writeInt32LE(0, 4)
    this.system.setOption(fd, SOL_SOCKET, SO_LINGER, this.#number.address, 8)
  }

  /** The error that waits at a socket, as errno; 0 for none. */
  pendingError(fd: number): number {
    this.#length.bytes.writeUInt32LE(4)
    const { address } = this.#number
    const failed = this.system.getOption(fd, SOL_SOCKET, SO_ERROR, address, this.#length.address) < 0
    return failed ? this.system.errno() : this.#number.bytes.readInt32LE()
  }

  bind(fd: number, to: Address): number {
    return this.system.bind(fd, this.#address.address, writeAddress(this.#address.bytes, to))
  }

  /** 0 when it is connected, else what the system said instead, as errno. */
  connect(fd: number, to: Address): number {
    if (to.host !== this.#dialled.host || to.port !== this.#dialled.port) {
      this.#targetLength = writeAddress(this.#target.bytes, to)
      this.#dialled = to
    }
    return this.system.connect(fd, this.#target.address, this.#targetLength) === 0 ? 0 : this.system.errno()
  }

  /** A connection's descriptor, or a negative errno; its peer is `accepted` until the next call. */
  accept(fd: number): number {
    const accepted = this.system.accept(fd, this.#address.address, this.#addressLength(), SOCK_FLAGS)
    return accepted < 0 ? -this.system.errno() : accepted
  }

  accepted(): Address {
    return readAddress(this.#address.bytes)
  }

  /** undefined: the socket has none, any more. */
  localAddress(fd: number): Address | undefined {
    const failed = this.system.localAddress(fd, this.#address.address, this.#addressLength()) < 0
    return failed ? undefined : readAddress(this.#address.bytes)
  }

  #addressLength(): number {
    this.#length.bytes.writeUInt32LE(ADDRESS_BYTES)
    return this.#length.address
  }

  #sendParts(fd: number, bytes: Uint8Array): number {
    let total = 0
    while (total < bytes.length) {
      const part = bytes.subarray(total, total + SCRATCH_BYTES)
      this.#scratch.bytes.set(part)
      const sent = this.sendFrom(fd, this.#scratch, 0, part.length)
      if (sent < 0) return total > 0 ? total : sent
      total += sent
      if (sent < part.length) break
    }
    return total
  }
}
