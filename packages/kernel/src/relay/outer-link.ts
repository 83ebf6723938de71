import type { Duplex } from 'node:stream'
import type { Address, Link, LinkHandler } from '../contracts.ts'

/** A link that does what the one inside does; for others to differ from. */
export abstract class OuterLink implements Link, LinkHandler {
  readonly inner: Link
  protected handler: LinkHandler | undefined = undefined

  constructor(inner: Link) {
    this.inner = inner
    inner.attach(this)
  }

  abstract onData(link: Link, bytes: Buffer): void

  get remote(): Address {
    return this.inner.remote
  }

  get local(): Address {
    return this.inner.local
  }

  get bytesRead(): number {
    return this.inner.bytesRead
  }

  get bytesWritten(): number {
    return this.inner.bytesWritten
  }

  get ended(): boolean {
    return this.inner.ended
  }

  get closed(): boolean {
    return this.inner.closed
  }

  get writable(): boolean {
    return this.inner.writable
  }

  attach(handler: LinkHandler): void {
    this.handler = handler
  }

  write(bytes: Uint8Array | string): boolean {
    return this.inner.write(bytes)
  }

  pause(): void {
    this.inner.pause()
  }

  resume(): void {
    this.inner.resume()
  }

  end(): void {
    this.inner.end()
  }

  destroy(reset?: boolean): void {
    this.inner.destroy(reset)
  }

  socket(unread?: Uint8Array): Duplex {
    return this.inner.socket(unread)
  }

  onDrain(_link: Link): void {
    this.handler?.onDrain(this)
  }

  onEnd(_link: Link): void {
    this.handler?.onEnd(this)
  }

  onClose(_link: Link, error: Error | undefined): void {
    this.handler?.onClose(this, error)
  }
}
