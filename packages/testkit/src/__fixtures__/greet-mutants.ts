import {
  backend,
  type Framer,
  GatewayError,
  type Link,
  type LinkHandler,
  type ProtocolContext,
  type Session,
  type Upstream,
} from '@proxy/kernel'
import { Greet } from './greet.ts'
import { line, parseHello } from './greet-wire.ts'

/** Finds the end of a line and nothing else. */
const anyLine: Framer = (bytes) => bytes.indexOf(0x0a) + 1

export class BadName extends Greet {
  override readonly name = 'Greet protocol'
}

export class FickleDetect extends Greet {
  override detect(prefix: Buffer): boolean | undefined {
    return prefix.length < 3 ? false : super.detect(prefix)
  }
}

export class ThrowingDetect extends Greet {
  override detect(prefix: Buffer): boolean | undefined {
    return prefix.toString('latin1', 0, prefix.readUInt8(0) % 8) === 'HELLO' ? true : super.detect(prefix)
  }
}

export class WrongKey extends Greet {
  override async serve(session: Session): Promise<void> {
    const key = parseHello(await session.client.peek(line))
    await session.relay(await session.route(key.toUpperCase()))
  }
}

export class LostOpening extends Greet {
  override async serve(session: Session): Promise<void> {
    const key = parseHello(await session.client.read(line))
    await session.relay(await session.route(key, { via: 'hello' }))
  }
}

export class SegmentIsMessage extends Greet {
  override async serve(session: Session): Promise<void> {
    const bytes = await session.client.peek((all) => all.length)
    await session.relay(await session.route(parseHello(bytes.subarray(0, anyLine(bytes))), { via: 'hello' }))
  }
}

export class InstanceState extends Greet {
  #session: Session | undefined
  override async serve(session: Session): Promise<void> {
    this.#session = session
    const key = parseHello(await session.client.peek(line))
    await this.#session.relay(await this.#session.route(key, { via: 'hello' }))
  }
}

let latest: Session | undefined

export class ModuleState extends Greet {
  override async serve(session: Session): Promise<void> {
    latest = session
    const key = parseHello(await session.client.peek(line))
    await latest.relay(await latest.route(key, { via: 'hello' }))
  }
}

export class UncheckedParse extends Greet {
  override async serve(session: Session): Promise<void> {
    const words = (await session.client.peek(anyLine)).toString('latin1').split(' ')
    const key = (words[1] as string).trimEnd()
    await session.relay(await session.route(key, { via: 'hello' }))
  }
}

export class Grudge extends Greet {
  #failed = false
  override async serve(session: Session): Promise<void> {
    if (this.#failed) throw new GatewayError('PROXY_MALFORMED')
    try {
      await super.serve(session)
    } catch (error) {
      this.#failed = true
      throw error
    }
  }
}

/** Leaves the pull contract, and with it the deadline and the bound on memory. */
export class OwnBuffer extends Greet {
  override async serve(session: Session): Promise<void> {
    await this.beforeDetach(session)
    const { link, unread } = session.client.detach()
    await new Promise<void>((resolve) => {
      let bytes = unread
      const onData = (_link: Link, more: Buffer): void => {
        bytes = Buffer.concat([bytes, more])
      }
      link.attach({ onData, onDrain: () => undefined, onEnd: () => link.destroy(), onClose: () => resolve() })
      link.resume()
    })
  }

  protected async beforeDetach(_session: Session): Promise<void> {}
}

export class OwnBufferAfterFirstByte extends OwnBuffer {
  protected override async beforeDetach(session: Session): Promise<void> {
    await session.client.peek(() => 1)
  }
}

export class DialsAnyway extends Greet {
  #context: ProtocolContext | undefined
  setup(context: ProtocolContext): void {
    this.#context = context
  }
  override async serve(session: Session): Promise<void> {
    try {
      await super.serve(session)
    } catch (error) {
      await this.#context?.dial(backend('10.77.0.1:7777'), 'alpha', new AbortController().signal)
      throw error
    }
  }
}

export class ThrowingDrain extends Greet {
  drain(): void {
    throw new TypeError('drain is broken')
  }
}

/** Moves the bytes itself; what it does at the end is up to the mutant. */
abstract class OwnRelay extends Greet {
  override async serve(session: Session): Promise<void> {
    const key = parseHello(await session.client.peek(line))
    const upstream = await session.route(key, { via: 'hello' })
    await this.join(session, upstream)
  }

  protected join(session: Session, upstream: Upstream): Promise<void> {
    const [client, server] = [session.client.detach(), upstream.detach()]
    server.link.write(client.unread)
    return new Promise((resolve) => {
      this.handle(client.link, server.link, resolve)
      this.handle(server.link, client.link, resolve)
    })
  }

  protected handle(from: Link, to: Link, done: () => void): void {
    const onData = (_link: Link, bytes: Buffer): void => void to.write(bytes)
    from.attach({ onData, onDrain: () => undefined, ...this.ending(from, to, done) })
    from.resume()
  }

  protected abstract ending(from: Link, to: Link, done: () => void): Pick<LinkHandler, 'onEnd' | 'onClose'>
}

export class EndClosesBoth extends OwnRelay {
  protected ending(from: Link, to: Link, done: () => void): Pick<LinkHandler, 'onEnd' | 'onClose'> {
    const onEnd = (): void => {
      to.end()
      from.end()
    }
    return { onEnd, onClose: done }
  }
}

export class BreakIsIgnored extends OwnRelay {
  protected ending(_from: Link, to: Link): Pick<LinkHandler, 'onEnd' | 'onClose'> {
    return { onEnd: () => to.end(), onClose: () => undefined }
  }
}

export class LeakyRefusal extends Greet {
  override refuse(error: GatewayError): string {
    return `-ERR ${error.message}: ${String(error.cause)}\r\n`
  }
}

export class MalformedRefusal extends Greet {
  override refuse(error: GatewayError): string {
    return error.code === 'PROXY_WAKE_TIMEOUT' ? error.message : super.refuse(error)
  }
}

export class NamesTheAddress extends Greet {
  override async serve(session: Session): Promise<void> {
    const key = parseHello(await session.client.peek(line))
    const { endpoints } = await session.resolve(key, { via: 'hello' })
    const upstream = await session.route(key).catch((cause: unknown) => {
      throw new GatewayError('PROXY_DIAL_REFUSED', { message: `no ${endpoints[0]?.host}`, cause })
    })
    await session.relay(upstream)
  }
}

export class RefusesOnlyTheServed extends Greet {
  readonly #served = new WeakSet<Session>()
  override serve(session: Session): Promise<void> {
    this.#served.add(session)
    return super.serve(session)
  }
  override refuse(error: GatewayError, session?: Session): string {
    return session !== undefined && this.#served.has(session) ? super.refuse(error) : ''
  }
}

export class LeavesTimer extends Greet {
  setup(context: ProtocolContext): void {
    context.clock.every(60_000, () => undefined)
  }
}

const startTls = 'STARTTLS\r\n'

export class TalksOnInPlain extends Greet {
  override async serve(session: Session): Promise<void> {
    const { client } = session
    if ((await client.read(line)).toString('latin1') === startTls) {
      await client.write('+GO\r\n')
      await client.write('+WELCOME\r\n')
      await client.secure()
    }
    await session.relay(await session.route(parseHello(await client.peek(line))))
  }
}

export class KeepsPlaintext extends Greet {
  override async serve(session: Session): Promise<void> {
    const { client } = session
    const first = await client.read(line)
    if (first.toString('latin1') !== startTls) throw new GatewayError('PROXY_MALFORMED')
    const injected = client.unread > 0 ? await client.read(line) : undefined
    await client.secure('+GO\r\n')
    const upstream = await session.route(parseHello(injected ?? (await client.peek(line))))
    await session.relay(upstream)
  }
}

export class ForgetsToSecure extends Greet {
  override async serve(session: Session): Promise<void> {
    const { client } = session
    if ((await client.peek(line)).toString('latin1') === startTls) {
      await client.read(line)
      await client.write('+GO\r\n')
    }
    await session.relay(await session.route(parseHello(await client.peek(line))))
  }
}

/** Takes one segment for the answer. */
export class ReadyBySegment extends Greet {
  override async ready(upstream: Upstream): Promise<void> {
    const answer = await upstream.read((bytes) => bytes.length)
    if (answer.toString('latin1') !== '+PONG\r\n') throw new GatewayError('PROXY_BACKEND_NOT_READY')
  }
}

export class ReadyForGood extends Greet {
  override async ready(upstream: Upstream): Promise<void> {
    await super.ready(upstream).catch((cause: unknown) => {
      throw new GatewayError('PROXY_BACKEND_PROTOCOL', { cause })
    })
  }
}

/** An accepted connection is all that it asks for. */
export class ReadyUnheard extends Greet {
  override async ready(): Promise<void> {}
}

export class ReadyOnAnyLine extends Greet {
  override async ready(upstream: Upstream): Promise<void> {
    await upstream.read((bytes) => bytes.length)
  }
}
