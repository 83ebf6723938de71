import type { Acceptor, Binding, ConnectOptions, Link, ListenOptions, Transport } from '@proxy/kernel'
import { type FakeClock, fakeClock } from '../clock.ts'
import { type MemoryTransport, memoryTransport } from '../memory-transport.ts'
import type { TransportSubject } from '../transport/subject.ts'
import type { WrappedLink } from './wrapped-link.ts'

/** The transport in memory, with one thing done otherwise. */
export class WrappedTransport implements Transport {
  readonly name: string = 'mutant'
  readonly clock: FakeClock = fakeClock()
  readonly inner: MemoryTransport = memoryTransport({ clock: this.clock })

  listen(options: ListenOptions, acceptor: Acceptor): Promise<Binding> {
    return this.inner.listen(options, acceptor)
  }

  connect(options: ConnectOptions, signal: AbortSignal): Promise<Link> {
    return this.inner.connect(options, signal)
  }
}

/** A subject whose transport is wrapped. */
export const transportSubject = (Broken: new () => WrappedTransport): TransportSubject => ({
  transport: () => new Broken(),
  unanswered: (transport) => {
    const { inner, clock } = transport as WrappedTransport
    inner.fault('10.0.0.9:1', { blackhole: true })
    return { address: { host: '10.0.0.9', port: 1 }, pass: (ms) => clock.advance(ms) }
  },
})

/** A transport that is sound but for its links. */
export const linkSubject = (Broken: new (inner: Link) => WrappedLink): TransportSubject =>
  transportSubject(
    class extends WrappedTransport {
      override listen(options: ListenOptions, acceptor: Acceptor): Promise<Binding> {
        return super.listen(options, { ...acceptor, onLink: (link) => acceptor.onLink(new Broken(link)) })
      }
      override async connect(options: ConnectOptions, signal: AbortSignal): Promise<Link> {
        return new Broken(await super.connect(options, signal))
      }
    },
  )

export class SharesPorts extends WrappedTransport {
  override async listen(options: ListenOptions, acceptor: Acceptor): Promise<Binding> {
    try {
      return await super.listen(options, acceptor)
    } catch {
      return { address: options, close: async () => undefined }
    }
  }
}

export class NeverUnbinds extends WrappedTransport {
  override async listen(options: ListenOptions, acceptor: Acceptor): Promise<Binding> {
    const { address } = await super.listen(options, acceptor)
    return { address, close: async () => undefined }
  }
}

export class PlainErrors extends WrappedTransport {
  override async connect(options: ConnectOptions, signal: AbortSignal): Promise<Link> {
    try {
      return await super.connect(options, signal)
    } catch (cause) {
      throw new Error('connect failed', { cause })
    }
  }
}

export class WaitsForEver extends WrappedTransport {
  override connect(options: ConnectOptions, signal: AbortSignal): Promise<Link> {
    return super.connect({ ...options, timeoutMs: 1_000_000_000 }, signal)
  }
}

export class IgnoresAbort extends WrappedTransport {
  override connect(options: ConnectOptions): Promise<Link> {
    return super.connect(options, new AbortController().signal)
  }
}
