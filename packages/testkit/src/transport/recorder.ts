import assert from 'node:assert/strict'
import type { Link, LinkHandler } from '@proxy/kernel'
import { until } from '../waiting.ts'

/** A handler that writes down what it is told, and what it should never have been told. */
export class Recorder implements LinkHandler {
  readonly link: Link
  readonly events: string[] = []
  readonly violations: string[] = []
  error: Error | undefined = undefined
  onBytes: ((bytes: Buffer) => void) | undefined = undefined
  receivedBytes = 0
  #received: Buffer[] = []
  #awaitsDrain = false
  #paused = false

  constructor(link: Link) {
    this.link = link
    link.attach(this)
    link.resume()
  }

  get received(): Buffer {
    return Buffer.concat(this.#received)
  }

  get ended(): boolean {
    return this.events.includes('end')
  }

  get closed(): boolean {
    return this.events.includes('close')
  }

  get drains(): number {
    return this.events.filter((event) => event === 'drain').length
  }

  write(bytes: Uint8Array | string): boolean {
    const more = this.link.write(bytes)
    if (!more) this.#awaitsDrain = true
    return more
  }

  pause(): void {
    this.#paused = true
    this.link.pause()
  }

  resume(): void {
    this.#paused = false
    const before = this.events.length
    this.link.resume()
    if (this.events.length !== before) this.violations.push('resume called the handler before it returned')
  }

  async receives(length: number): Promise<Buffer> {
    await until(
      () => this.receivedBytes >= length,
      () => `${length} bytes; ${this.receivedBytes} came`,
    )
    return this.received
  }

  async ends(): Promise<void> {
    await until(() => this.ended, 'onEnd')
  }

  async closes(): Promise<void> {
    await until(() => this.closed, 'onClose')
  }

  async closesOrEnds(): Promise<void> {
    await until(() => this.closed || this.ended, 'the end of the connection')
  }

  /** Throws when the link broke the order of events. */
  judge(): void {
    assert.deepEqual(this.violations, [], `the link broke the order of events: ${this.events.join(' ')}`)
  }

  onData(link: Link, bytes: Buffer): void {
    this.#note('data', link)
    if (this.ended) this.violations.push('onData after onEnd')
    if (bytes.length === 0) this.violations.push('onData without bytes')
    this.#received.push(Buffer.from(bytes))
    this.receivedBytes += bytes.length
    this.onBytes?.(bytes)
  }

  onDrain(link: Link): void {
    if (!this.#awaitsDrain) this.violations.push('onDrain without a write that returned false')
    this.#awaitsDrain = false
    this.#note('drain', link)
    if (!link.writable) this.violations.push('not writable in onDrain')
  }

  onEnd(link: Link): void {
    if (this.ended) this.violations.push('onEnd twice')
    this.#note('end', link)
    if (!link.ended) this.violations.push('`ended` is false in onEnd')
  }

  onClose(link: Link, error: Error | undefined): void {
    if (this.closed) this.violations.push('onClose twice')
    this.error = error
    this.#note('close', link)
    if (!link.closed) this.violations.push('`closed` is false in onClose')
  }

  #note(event: string, link: Link): void {
    if (link !== this.link) this.violations.push(`${event} of another link`)
    if (this.closed && event !== 'close') this.violations.push(`${event} after onClose`)
    if (this.#paused && (event === 'data' || event === 'end')) this.violations.push(`${event} while paused`)
    this.events.push(event)
  }
}
