import { memoryTransport } from '@proxy/testkit'
import { expect, onTestFinished, test } from 'vitest'
import { LinkChannel } from './channel.ts'
import type { Link } from './contracts.ts'

const maxBytes = 1_000

/** A channel whose peer sent so many bytes at once. */
async function channelWith(length: number): Promise<LinkChannel> {
  const transport = memoryTransport()
  const accepted = new Promise<Link>((resolve) => {
    void transport.listen({ host: '10.0.0.1', port: 1 }, { onLink: resolve, onError: () => undefined })
  })
  const client = await transport.client('10.0.0.1:1')
  onTestFinished(() => client.destroy())
  const owner = {
    channelEnded: () => undefined,
    channelClosed: () => undefined,
    channelDetached: () => undefined,
    signal: new AbortController().signal,
  }
  const channel = new LinkChannel(await accepted, owner, maxBytes, 'PROXY_CLIENT_GONE', undefined)
  client.write(Buffer.alloc(length, 7))
  return channel
}

test('what a framer is shown never exceeds the cap, however much arrives at once', async () => {
  const channel = await channelWith(5_000)
  let shown = 0
  const peeked = await channel.peek((bytes) => (shown = bytes.length))
  expect([shown, peeked.length, channel.unread]).toEqual([maxBytes, maxBytes, 5_000])
})

test('a unit that the cap cuts short is too large', async () => {
  const channel = await channelWith(5_000)
  await expect(channel.peek((bytes) => (bytes.length > maxBytes ? 1 : 0))).rejects.toMatchObject({
    code: 'PROXY_PEEK_OVERFLOW',
  })
})
