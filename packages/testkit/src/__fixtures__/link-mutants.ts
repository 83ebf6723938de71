import type { Duplex } from 'node:stream'
import type { Address, Link, LinkHandler } from '@proxy/kernel'
import { WrappedLink } from './wrapped-link.ts'

export class WrongAddress extends WrappedLink {
  override get remote(): Address {
    return { host: '0.0.0.0', port: 0 }
  }
}

/** Reads from the beginning, into the void while nobody listens. */
export class BornReading extends WrappedLink {
  constructor(inner: Link) {
    super(inner)
    inner.resume()
  }
}

/** Reads ahead, and hands on what it has from within `resume`. */
export class DeliversInResume extends WrappedLink {
  #ahead: Buffer[] = []
  #flowing = false
  constructor(inner: Link) {
    super(inner)
    inner.resume()
  }
  override resume(): void {
    this.#flowing = true
    for (const bytes of this.#ahead.splice(0)) this.handler?.onData(this, bytes)
  }
  override onData(link: Link, bytes: Buffer): void {
    if (this.#flowing) super.onData(link, bytes)
    else this.#ahead.push(Buffer.from(bytes))
  }
}

export class DropsByte extends WrappedLink {
  override onData(link: Link, bytes: Buffer): void {
    super.onData(link, bytes.length > 1_000 ? bytes.subarray(1) : bytes)
  }
}

export class WritesUtf8 extends WrappedLink {
  override write(bytes: Uint8Array | string): boolean {
    return super.write(typeof bytes === 'string' ? Buffer.from(bytes, 'utf8') : bytes)
  }
}

export class KeepsReference extends WrappedLink {
  override write(bytes: Uint8Array | string): boolean {
    setImmediate(() => super.write(bytes))
    return true
  }
}

export class NeverFull extends WrappedLink {
  override get writable(): boolean {
    return true
  }
  override write(bytes: Uint8Array | string): boolean {
    super.write(bytes)
    return true
  }
}

export class NeverDrains extends WrappedLink {
  override onDrain(): void {}
}

export class DoesNotPause extends WrappedLink {
  override pause(): void {}
}

export class KeepsFirstHandler extends WrappedLink {
  override attach(handler: LinkHandler): void {
    this.handler ??= handler
  }
}

export class CountsNothing extends WrappedLink {
  override get bytesRead(): number {
    return 0
  }
}

let latest: LinkHandler | undefined

export class OneHandlerForAll extends WrappedLink {
  override attach(handler: LinkHandler): void {
    latest = handler
    super.attach(handler)
  }
  override onData(_link: Link, bytes: Buffer): void {
    latest?.onData(this, bytes)
  }
}

export class EndDestroys extends WrappedLink {
  override end(): void {
    this.inner.destroy()
  }
}

/** Lets bytes queue up, and drops the queue at the end. */
export class EndDropsQueue extends DoesNotPause {
  override end(): void {
    this.inner.destroy()
  }
}

export class ThrowsAfterEnd extends WrappedLink {
  #over = false
  override end(): void {
    this.#over = true
    super.end()
  }
  override write(bytes: Uint8Array | string): boolean {
    if (this.#over) throw new Error('write after end')
    return super.write(bytes)
  }
}

export class TellsOfNoClose extends WrappedLink {
  override onceClosed(): void {}
}

export class ClosesTwice extends WrappedLink {
  override onClose(link: Link, error: Error | undefined): void {
    super.onClose(link, error)
    super.onClose(link, error)
  }
}

export class DeliversAfterDestroy extends WrappedLink {
  override onData(link: Link, bytes: Buffer): void {
    const half = Math.ceil(bytes.length / 2)
    super.onData(link, bytes.subarray(0, half))
    super.onData(link, bytes.subarray(half))
  }
}

export class NeverResets extends WrappedLink {
  override destroy(): void {
    this.inner.destroy()
  }
}

export class LosesUnread extends WrappedLink {
  override socket(): Duplex {
    return this.inner.socket()
  }
}

export class SocketSwallows extends WrappedLink {
  override socket(unread?: Uint8Array): Duplex {
    const duplex = this.inner.socket(unread)
    duplex._write = (_bytes, _encoding, done) => done()
    return duplex
  }
}

export class SocketEndDestroys extends WrappedLink {
  override socket(unread?: Uint8Array): Duplex {
    const duplex = this.inner.socket(unread)
    duplex._final = (done) => {
      this.inner.destroy()
      done()
    }
    return duplex
  }
}

export class SilentOnceGiven extends WrappedLink {
  override socket(unread?: Uint8Array): Duplex {
    this.onClose = () => undefined
    return super.socket(unread)
  }
}

export class MuteOnceGiven extends WrappedLink {
  override socket(unread?: Uint8Array): Duplex {
    this.write = () => true
    return super.socket(unread)
  }
}

export class HidesEnd extends WrappedLink {
  override onEnd(): void {}
}

export class ForgetsEnd extends WrappedLink {
  override get ended(): boolean {
    return false
  }
}

export class ForgetsClose extends WrappedLink {
  override get closed(): boolean {
    return false
  }
}
