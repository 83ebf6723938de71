/** Whole lines as they are written: in one buffer, so that not a string of them outlives its moment. */
export interface Chunk {
  readonly bytes: Buffer
  readonly lines: number
}

/** What UTF-8 makes of one UTF-16 unit at the most. */
const mostBytesPerUnit = 3

/** Lines that wait, in the order they came, copied into chunks of so many bytes. A longer line has a chunk to itself. */
export class LineChunks {
  readonly #chunkBytes: number
  readonly #full: Chunk[] = []
  /** Where lines are added; allocated for the first one, and given away with them. */
  #open: Buffer | undefined = undefined
  #used = 0
  #lines = 0
  /** Of all that waits. */
  bytes = 0

  constructor(chunkBytes: number) {
    this.#chunkBytes = chunkBytes
  }

  /** A chunk waits that takes no more. */
  get full(): boolean {
    return this.#full.length > 0
  }

  add(line: string): void {
    let open = this.#open
    if (open === undefined || open.length - this.#used < line.length * mostBytesPerUnit) open = this.#roomFor(line)
    const bytes = open.write(line, this.#used)
    this.#used += bytes
    this.#lines++
    this.bytes += bytes
  }

  /** The oldest; undefined: nothing waits. */
  take(): Chunk | undefined {
    if (this.#full.length === 0) this.#seal()
    const chunk = this.#full.shift()
    if (chunk !== undefined) this.bytes -= chunk.bytes.length
    return chunk
  }

  /** What the line may need at the most is not there: only now are its bytes counted. */
  #roomFor(line: string): Buffer {
    const bytes = Buffer.byteLength(line)
    if (this.#open !== undefined && this.#open.length - this.#used >= bytes) return this.#open
    this.#seal()
    this.#open = Buffer.allocUnsafeSlow(Math.max(bytes, this.#chunkBytes))
    return this.#open
  }

  #seal(): void {
    if (this.#lines > 0) this.#full.push({ bytes: this.#open!.subarray(0, this.#used), lines: this.#lines })
    this.#open = undefined
    this.#used = 0
    this.#lines = 0
  }
}
