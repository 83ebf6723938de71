import type { Link, LinkHandler } from '@proxy/kernel'
import { type Bytes, show, toBuffer } from './bytes.ts'
import { until } from './waiting.ts'

/** The far end of a connection, as a test drives it: collects what arrives, and waits for what should. */
export class Peer implements LinkHandler {
  readonly link: Link
  /** The other side's FIN arrived. */
  ended = false
  closed = false
  /** Why the connection broke off; undefined when it was closed in order. */
  error: Error | undefined = undefined
  #chunks: Buffer[] = []
  #receivedBytes = 0
  #taken = 0

  /** Attaches to the link and begins to read. */
  constructor(link: Link) {
    this.link = link
    link.attach(this)
    link.resume()
  }

  /** Everything that arrived so far. */
  get received(): Buffer {
    const all = Buffer.concat(this.#chunks)
    this.#chunks = [all]
    return all
  }

  get receivedBytes(): number {
    return this.#receivedBytes
  }

  /** Sends at once, whatever the other side has room for. False: it has had enough. */
  write(bytes: Bytes): boolean {
    return this.link.write(typeof bytes === 'string' ? toBuffer(bytes) : bytes)
  }

  /** Sends, and waits until there is room for more. */
  async send(bytes: Bytes): Promise<void> {
    if (!this.write(bytes)) await until(() => this.link.writable || this.closed, 'room for more bytes')
  }

  /** Half-close, behind the bytes when there are any. */
  end(bytes?: Bytes): void {
    if (bytes !== undefined) this.write(bytes)
    this.link.end()
  }

  /** Breaks the connection off. */
  reset(): void {
    this.link.destroy(true)
  }

  destroy(): void {
    this.link.destroy()
  }

  pause(): void {
    this.link.pause()
  }

  resume(): void {
    this.link.resume()
  }

  /** The next `length` bytes that were not taken yet. */
  async take(length: number): Promise<Buffer> {
    const from = this.#taken
    const enough = (): boolean => this.#receivedBytes >= from + length
    await until(
      () => enough() || this.ended || this.closed,
      () => `${length} bytes; there are ${show(this.received.subarray(from))}`,
    )
    if (!enough())
      throw new Error(`closed before ${length} bytes came; there are ${show(this.received.subarray(from))}`)
    this.#taken = from + length
    return this.received.subarray(from, this.#taken)
  }

  /** Waits until what has arrived ends with `bytes`. */
  async receives(bytes: Bytes): Promise<void> {
    const wanted = toBuffer(bytes)
    const arrived = (): boolean => this.received.subarray(-wanted.length).equals(wanted)
    await until(
      () => this.#receivedBytes >= wanted.length && arrived(),
      () => `${show(wanted)}; there are ${show(this.received)}`,
    )
  }

  /** Waits until so many bytes have arrived in all. */
  async receivesBytes(length: number): Promise<void> {
    await until(
      () => this.#receivedBytes >= length,
      () => `${length} bytes in all; there are ${this.#receivedBytes}`,
    )
  }

  /** Waits for the other side's FIN, or for the end of the connection. */
  async ends(): Promise<void> {
    await until(() => this.ended || this.closed, 'the end of the stream')
  }

  async closes(): Promise<void> {
    await until(() => this.closed, 'the end of the connection')
  }

  onData(_link: Link, bytes: Buffer): void {
    this.#chunks.push(Buffer.from(bytes))
    this.#receivedBytes += bytes.length
  }

  onDrain(): void {}

  onEnd(): void {
    this.ended = true
  }

  onClose(_link: Link, error: Error | undefined): void {
    this.closed = true
    this.error = error
  }
}
