import { once } from 'node:events'
import { createServer, type AddressInfo, type Socket } from 'node:net'
import { Duplex } from 'node:stream'
import { expect, it, onTestFinished } from 'vitest'
import type { Link } from '../contracts.ts'
import { nodeTransport } from './node.ts'
import { streamLink } from './over-stream.ts'

async function connected(): Promise<{ link: Link; peer: Socket }> {
  const server = createServer()
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const accepted = once(server, 'connection') as Promise<[Socket]>
  const { port } = server.address() as AddressInfo
  const link = await nodeTransport().connect(
    { host: '127.0.0.1', port, timeoutMs: 5_000 },
    new AbortController().signal,
  )
  const [peer] = await accepted
  peer.on('error', () => undefined)
  onTestFinished(() => {
    peer.destroy()
    server.close()
  })
  return { link, peer }
}

const closing = (link: Link): Promise<void> => new Promise((resolve) => link.onceClosed?.(resolve))

it('is told behind the handler, whoever closes', async () => {
  for (const close of [(link: Link) => link.destroy(), (_: Link, peer: Socket) => peer.resetAndDestroy()]) {
    const { link, peer } = await connected()
    const calls: string[] = []
    const closed = closing(link).then(() => calls.push('listener'))
    link.attach({ onData() {}, onDrain() {}, onEnd() {}, onClose: () => calls.push('handler') })
    link.resume()
    close(link, peer)
    await closed
    expect(calls).toEqual(['handler', 'listener'])
  }
})

it('is told at once when the link is closed already', async () => {
  const { link } = await connected()
  const closed = closing(link)
  link.destroy()
  await closed
  await closing(link)
})

it('is told of a link whose stream was given away, and of one on top of another', async () => {
  const { link } = await connected()
  const inner = closing(link)
  const stream = link.socket()
  const outer = streamLink(new Duplex({ read() {}, write: (_bytes, _encoding, done) => done() }), link)
  const closed = closing(outer)
  outer.destroy()
  await Promise.all([closed, inner])
  expect(stream.destroyed).toBe(true)
})
