import { type Link, type LinkHandler, type Transport } from '@proxy/kernel'
import { until } from '@proxy/testkit'
import { onTestFinished } from 'vitest'

/** One end of a connection, and what it has heard. */
export class Ear implements LinkHandler {
  readonly link: Link
  readonly chunks: Buffer[] = []
  /** One for each `onClose`: the code of its error. */
  readonly closes: (string | undefined)[] = []
  ends = 0
  /** Called with each piece that arrives. */
  act: (() => void) | undefined = undefined

  constructor(link: Link) {
    this.link = link
    link.attach(this)
    link.resume()
  }

  get text(): string {
    return Buffer.concat(this.chunks).toString('latin1')
  }

  get length(): number {
    return this.chunks.reduce((sum, { length }) => sum + length, 0)
  }

  onData(_link: Link, bytes: Buffer): void {
    this.chunks.push(Buffer.from(bytes))
    this.act?.()
  }

  onDrain(): void {}

  onEnd(): void {
    this.ends++
  }

  onClose(_link: Link, error: NodeJS.ErrnoException | undefined): void {
    this.closes.push(error?.code)
  }
}

/** The two ends of a new connection. */
export async function pair(transport: Transport): Promise<[near: Ear, far: Ear]> {
  const links: Link[] = []
  const acceptor = { onLink: (link: Link) => void links.push(link), onError: () => undefined }
  const binding = await transport.listen({ host: '127.0.0.1', port: 0 }, acceptor)
  const near = await transport.connect({ ...binding.address, timeoutMs: 4_000 }, new AbortController().signal)
  await until(() => links.length === 1, 'the connection to be accepted')
  await binding.close()
  const ends: [Ear, Ear] = [new Ear(near), new Ear(links[0] as Link)]
  onTestFinished(() => {
    for (const { link } of ends) link.destroy(true)
  })
  return ends
}

/** Does something while the transport deals with a batch of events, which is when it holds small writes. */
export async function withinBatch(transport: Transport, act: () => void): Promise<void> {
  const [near, far] = await pair(transport)
  let failure: unknown = undefined
  near.act = () => {
    try {
      act()
    } catch (error) {
      failure = error
    }
  }
  far.link.write('now')
  await until(() => near.length > 0, 'the batch')
  if (failure !== undefined) throw failure as Error
}
