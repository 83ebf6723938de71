import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import { afterEach, describe, expect, it } from 'vitest'
import type { Binding, Link, LinkHandler } from '../contracts.ts'
import { canWriteDirectly, handleError } from './direct-write.ts'
import { nodeTransport } from './node.ts'

const opened: { close(): Promise<void> }[] = []

afterEach(async () => {
  for (const binding of opened.splice(0)) await binding.close()
})

/** A link of ours and the client that it was accepted from, which does not read yet. */
async function pair(): Promise<{ link: Link; client: Socket }> {
  const accepted = Promise.withResolvers<Link>()
  const binding: Binding = await nodeTransport().listen(
    { host: '127.0.0.1', port: 0 },
    { onLink: accepted.resolve, onError: accepted.reject },
  )
  opened.push(binding)
  const client = connect(binding.address)
  client.pause()
  await once(client, 'connect')
  return { link: await accepted.promise, client }
}

class Watch implements LinkHandler {
  readonly closed: PromiseWithResolvers<Error | undefined> = Promise.withResolvers()
  drained: PromiseWithResolvers<void> = Promise.withResolvers()

  onData(): void {}
  onEnd(): void {}
  onDrain(): void {
    this.drained.resolve()
    this.drained = Promise.withResolvers()
  }
  onClose(_link: Link, error: Error | undefined): void {
    this.closed.resolve(error)
  }
}

/** Writes pieces of these sizes from one buffer that is overwritten after each, until the link has said stop so often. Another
 * link writes all the while. */
async function writeAll(
  link: Link,
  other: Link,
  watch: Watch,
  sizes: readonly number[],
  stops: number,
): Promise<string> {
  const expected = createHash('sha256')
  const scratch = Buffer.alloc(Math.max(...sizes))
  for (let piece = 0, left = stops; left > 0; piece++) {
    const bytes = scratch.subarray(0, sizes[piece % sizes.length]).fill(piece % 251)
    expected.update(bytes)
    const more = link.write(piece % 5 === 4 ? bytes.toString('latin1') : bytes)
    other.write(scratch.fill(0xff).subarray(0, bytes.length))
    // Of three pieces two are written although the link said stop, so that several wait at once.
    if (!more && piece % 3 === 0) {
      left--
      await watch.drained.promise
    }
  }
  link.end()
  return expected.digest('hex')
}

/** Reads only when the writer has had to stop. */
async function digestOf(client: Socket): Promise<string> {
  const received = createHash('sha256')
  for await (const bytes of client) received.update(bytes as Buffer)
  return received.digest('hex')
}

describe('writing below the streams of Node', () => {
  it('is possible on this version', () => {
    expect(canWriteDirectly).toBe(true)
  })

  it.each([
    ['small', [64, 1_000]],
    ['middling', [4_096]],
    ['large', [65_536]],
    ['all', [1, 64, 4_096, 4_097, 16_384, 65_535, 65_536, 65_537, 200_000]],
  ])('sends what was written, whatever becomes of the buffer and however slow the reader is: %s', async (_, sizes) => {
    const { link, client } = await pair()
    const watch = new Watch()
    link.attach(watch)
    const other = await pair()
    other.client.resume()
    const written = writeAll(link, other.link, watch, sizes, 20)
    const [received, expected] = await Promise.all([digestOf(client), written])
    other.link.destroy()
    expect(received).toBe(expected)
  })

  it('says stop when the queue is long, and drain when it is empty', async () => {
    const { link, client } = await pair()
    const watch = new Watch()
    link.attach(watch)
    while (link.write(Buffer.alloc(65_536)));
    expect(link.writable).toBe(false)
    client.resume()
    await watch.drained.promise
    expect(link.writable).toBe(true)
    link.destroy()
  })

  it('says nothing more once the stream was given away', async () => {
    const { link, client } = await pair()
    const watch = new Watch()
    link.attach(watch)
    while (link.write(Buffer.alloc(65_536)));
    let drained = false
    void watch.drained.promise.then(() => (drained = true))
    link.socket().end()
    client.resume()
    await once(client, 'end')
    expect(drained).toBe(false)
    link.destroy()
  })

  it('reports a peer that broke off, once, with the code of the system', async () => {
    const { link, client } = await pair()
    const watch = new Watch()
    link.attach(watch)
    while (link.write(Buffer.alloc(65_536)));
    client.resetAndDestroy()
    expect(await watch.closed.promise).toMatchObject({
      code: expect.stringMatching(/^(EPIPE|ECONNRESET)$/),
      syscall: 'write',
    })
    expect(link.write('late')).toBe(false)
  })

  it('drops what waits when the link is destroyed, without an error', async () => {
    const { link } = await pair()
    const watch = new Watch()
    link.attach(watch)
    while (link.write(Buffer.alloc(65_536)));
    link.destroy()
    expect(await watch.closed.promise).toBeUndefined()
  })

  it('names errors as the streams of Node do', () => {
    expect(handleError(-32, 'write')).toMatchObject({
      message: 'write EPIPE',
      code: 'EPIPE',
      errno: -32,
      syscall: 'write',
    })
  })
})
