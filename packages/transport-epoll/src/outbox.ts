import { type Block, block } from './memory.ts'

/** Blocks that wait to be used again, at most 8 MiB of each size. */
class Pool {
  readonly size: number
  readonly #mostIdle: number
  readonly #idle: Block[] = []

  constructor(size: number) {
    this.size = size
    this.#mostIdle = (8 * 1024 * 1024) / size
  }

  borrow(): Block {
    return this.#idle.pop() ?? block(this.size)
  }

  giveBack(used: Block): void {
    if (this.#idle.length < this.#mostIdle) this.#idle.push(used)
  }
}

/** A reader that is slow costs about what it has not read. */
const pools: readonly Pool[] = [new Pool(2_048), new Pool(16_384), new Pool(65_536), new Pool(262_144)]
const largest = pools.at(-1) as Pool

const poolFor = (length: number): Pool => pools.find(({ size }) => size >= length) ?? largest

/** A part of what the system did not take yet. */
interface Parcel {
  readonly pool: Pool
  readonly block: Block
  start: number
  end: number
}

/** Copies of bytes that wait until the system takes more, in order. */
export class Outbox {
  readonly #parcels: Parcel[] = []

  get isEmpty(): boolean {
    return this.#parcels.length === 0
  }

  push(bytes: Uint8Array): void {
    let offset = this.#append(bytes)
    while (offset < bytes.length) {
      const pool = poolFor(bytes.length - offset)
      const parcel = { pool, block: pool.borrow(), start: 0, end: 0 }
      this.#parcels.push(parcel)
      offset += fill(parcel, bytes, offset)
    }
  }

  /** Hands parts to `send`, in order, until it takes less than it was given; false: there is more. */
  flush(send: (from: Block, start: number, length: number) => number): boolean {
    for (let parcel = this.#parcels[0]; parcel !== undefined; parcel = this.#parcels[0]) {
      const sent = send(parcel.block, parcel.start, parcel.end - parcel.start)
      if (sent < 0) return false
      parcel.start += sent
      if (parcel.start < parcel.end) return false
      this.#parcels.shift()
      parcel.pool.giveBack(parcel.block)
    }
    return true
  }

  /** All that waits, as one copy; the box is empty then. */
  take(): Buffer {
    const bytes = Buffer.concat(this.#parcels.map(({ block: { bytes: all }, start, end }) => all.subarray(start, end)))
    this.clear()
    return bytes
  }

  clear(): void {
    for (const { pool, block: used } of this.#parcels) pool.giveBack(used)
    this.#parcels.length = 0
  }

  #append(bytes: Uint8Array): number {
    const last = this.#parcels.at(-1)
    return last === undefined ? 0 : fill(last, bytes, 0)
  }
}

/** Copies as much as there is room for, and says how much that was. */
function fill(parcel: Parcel, bytes: Uint8Array, offset: number): number {
  const length = Math.min(parcel.pool.size - parcel.end, bytes.length - offset)
  parcel.block.bytes.set(bytes.subarray(offset, offset + length), parcel.end)
  parcel.end += length
  return length
}
