import type { Duplex } from 'node:stream'
import type { Address, Link, LinkHandler } from '@proxy/kernel'

/** A link that does what the one inside does; mutants do one thing otherwise. */
export class WrappedLink implements Link, LinkHandler {
  protected readonly inner: Link
  protected handler: LinkHandler | undefined = undefined
  protected told: (() => void) | undefined = undefined

  constructor(inner: Link) {
    this.inner = inner
    inner.attach(this)
  }

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

  onceClosed(listener: () => void): void {
    if (this.closed) listener()
    else this.told = listener
  }

  socket(unread?: Uint8Array): Duplex {
    return this.inner.socket(unread)
  }

  onData(_link: Link, bytes: Buffer): void {
    this.handler?.onData(this, bytes)
  }

  onDrain(_link: Link): void {
    this.handler?.onDrain(this)
  }

  onEnd(_link: Link): void {
    this.handler?.onEnd(this)
  }

  onClose(_link: Link, error: Error | undefined): void {
    this.handler?.onClose(this, error)
    this.told?.()
  }
}
