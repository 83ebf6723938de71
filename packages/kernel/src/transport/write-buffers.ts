const size = 65_536
/** What is kept for reuse at most: 8 MiB. */
const mostIdle = 128

const idle: Buffer[] = []

/**
 * Buffers for copies of what is being sent. A copy that is too large for Node's own slab would cost an allocation outside
 * the heap, and its collection, for every read of a bulk transfer. Links give a buffer back when its write is done.
 */
export function borrowBuffer(): Buffer {
  return idle.pop() ?? Buffer.allocUnsafeSlow(size)
}

export function giveBack(buffer: Buffer | undefined): void {
  if (buffer !== undefined && idle.length < mostIdle) idle.push(buffer)
}

/** Whether a copy of that many bytes should go into such a buffer. */
export function deservesBuffer(length: number): boolean {
  return length > Buffer.poolSize >>> 1 && length <= size
}
