import { type AddressInfo, createServer, type Socket } from 'node:net'
import { once } from 'node:events'
import type { Link } from '@proxy/kernel'
import { settle, until } from '@proxy/testkit'
import { expect, onTestFinished, test } from 'vitest'
import { EPOLLIN } from './constants.ts'
import { Ear, pair, withinBatch } from './__fixtures__/pairs.ts'
import { strictTransport } from './__fixtures__/strict.ts'
import { HeldWrites } from './held-writes.ts'
import type { LoopHandle } from './loop-handle.ts'
import type { Block } from './memory.ts'
import { Poller } from './poller.ts'
import type { System } from './system.ts'

const transport = strictTransport()

/** Writes down what is sent of it, and with what. */
const holder = (sent: string[], name: string) => ({
  sendHeld: (from: Block, start: number, length: number) =>
    void sent.push(`${name} ${from.bytes.toString('latin1', start, start + length)}`),
})

test('nothing is held between batches, and nothing that is large', () => {
  const sent: string[] = []
  const held = new HeldWrites()
  expect(held.take(holder(sent, 'a'), 'x')).toBe(false)
  held.begin()
  expect(held.take(holder(sent, 'a'), Buffer.alloc(4_097))).toBe(false)
  expect(held.take(holder(sent, 'a'), Buffer.alloc(4_096, 'x'))).toBe(true)
  expect(sent).toEqual([])
  held.end()
  expect(sent).toEqual([`a ${'x'.repeat(4_096)}`])
  expect(held.take(holder(sent, 'a'), 'x')).toBe(false)
})

test('what one writes in a row leaves as one, and 16 are the most that wait', () => {
  const sent: string[] = []
  const held = new HeldWrites()
  const [a, b] = [holder(sent, 'a'), holder(sent, 'b')]
  held.begin()
  for (const text of ['1', '2', '3']) held.take(a, text)
  for (let count = 0; count < 15; count++) held.take(count % 2 === 0 ? b : a, Buffer.from([97 + count]))
  expect(sent).toEqual([])
  held.take(holder(sent, 'c'), 'z')
  expect(sent).toHaveLength(16)
  expect(sent.slice(0, 3)).toEqual(['a 123', 'b a', 'a b'])
  held.end()
  expect(sent.at(-1)).toBe('c z')
})

test('an exception of a handler ends the batch, and what others wrote in it is sent', () => {
  const sent: string[] = []
  const held = new HeldWrites()
  let wake = (): void => undefined
  const handle = { watch: (_fd: number, _system: System, call: () => void) => void (wake = call), ref: () => undefined }
  // The events that it reports are the zeros of fresh memory: one of descriptor 0.
  const system = { epollCreate: () => 3, epollWait: () => 1, epollCtl: () => 0 }
  const layout = { eventWords: 3, fdWord: 1 }
  const poller = new Poller(system as unknown as System, layout, handle as unknown as LoopHandle, held)
  const onReady = (): void => {
    held.take(holder(sent, 'a'), 'x')
    throw new Error('a bug')
  }
  poller.add(0, { onReady }, EPOLLIN)
  expect(() => wake()).toThrow('a bug')
  expect(sent).toEqual(['a x'])
  expect(held.take(holder(sent, 'a'), 'x')).toBe(false)
})

test('a large write does not overtake small ones, nor small ones a large one', async () => {
  const [near, far] = await pair(transport)
  const large = 'L'.repeat(300_000)
  await withinBatch(transport, () => {
    near.link.write('one ')
    near.link.write(Buffer.from('two '))
    near.link.write(large)
    near.link.write(' three')
  })
  await until(() => far.length >= large.length + 14, 'all of it')
  expect(far.text).toBe(`one two ${large} three`)
})

test('the order within each link holds when writes of two alternate', async () => {
  const [a, b] = [await pair(transport), await pair(transport)]
  const numbers = Array.from({ length: 50 }, (_, index) => `${index};`)
  await withinBatch(transport, () => {
    for (const number of numbers) {
      a[0].link.write(number)
      b[0].link.write(number)
    }
  })
  await until(() => [a, b].every(([, far]) => far.length === numbers.join('').length), 'all of it')
  expect([a[1].text, b[1].text]).toEqual([numbers.join(''), numbers.join('')])
})

test.each<[string, (link: Link) => void]>([
  ['end', (link) => link.end()],
  ['destroy', (link) => link.destroy()],
])('%s sends what is held before the FIN', async (_name, finish) => {
  const [near, far] = await pair(transport)
  await withinBatch(transport, () => {
    near.link.write('last words')
    finish(near.link)
  })
  await until(() => far.ends === 1, 'the FIN')
  expect(far.text).toBe('last words')
  far.link.end()
  await until(() => near.closes.length > 0 && far.closes.length > 0, 'both ends to close')
  expect([near.closes, far.closes]).toEqual([[undefined], [undefined]])
})

test('a reset with held writes closes both ends, once', async () => {
  const [near, far] = await pair(transport)
  await withinBatch(transport, () => {
    near.link.write('last words')
    near.link.destroy(true)
  })
  await until(() => near.closes.length > 0 && far.closes.length > 0, 'both ends to close')
  await settle()
  expect([near.closes, far.closes]).toEqual([[undefined], ['ECONNRESET']])
})

test('a socket that is given away writes behind what is held', async () => {
  const [near, far] = await pair(transport)
  await withinBatch(transport, () => {
    near.link.write('held, ')
    near.link.socket().write('given')
  })
  await until(() => far.length === 11, 'both')
  expect(far.text).toBe('held, given')
})

test('a socket that takes less than all loses nothing and keeps the order, though others write between', async () => {
  const [near, far] = await pair(transport)
  const [other] = await pair(transport)
  far.link.pause()
  const said: Buffer[] = []
  // More than the buffers of both sockets hold, in writes that are held, each with another's behind it.
  await withinBatch(transport, () => {
    for (let count = 0; count < 4_000; count++) {
      const bytes = Buffer.alloc(4_096, String(count).padStart(8, '.'))
      said.push(bytes)
      near.link.write(bytes)
      other.link.write('x')
    }
    expect(near.link.writable).toBe(false)
  })
  far.link.resume()
  const all = Buffer.concat(said)
  await until(() => far.length >= all.length, 'all of it')
  expect(Buffer.concat(far.chunks).equals(all)).toBe(true)
  expect(near.link.bytesWritten).toBe(all.length)
})

/** A connection whose other end is a socket of Node's. */
async function toNode(): Promise<[near: Ear, far: Socket]> {
  const server = createServer({ allowHalfOpen: true, pauseOnConnect: true }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  onTestFinished(() => void server.close())
  const accepted = once(server, 'connection') as Promise<[Socket]>
  const { port } = server.address() as AddressInfo
  const to = { host: '127.0.0.1', port, timeoutMs: 4_000 }
  const near = new Ear(await transport.connect(to, new AbortController().signal))
  const [far] = await accepted
  onTestFinished(() => void far.destroy())
  return [near, far.on('error', () => undefined)]
}

test('a link whose peer is gone is closed, and the writes of the others are sent', async () => {
  const [gone, peer] = await toNode()
  const [near, far] = await pair(transport)
  // Paused and not in the poller: nothing tells of the reset but the write.
  gone.link.pause()
  const closed = once(peer, 'close')
  peer.resetAndDestroy()
  await closed
  await withinBatch(transport, () => {
    gone.link.write('to nobody')
    near.link.write('to somebody')
    gone.link.write('again')
    near.link.write(', again')
  })
  await until(() => far.length === 18 && gone.closes.length > 0, 'the bytes and the end')
  await settle()
  expect(far.text).toBe('to somebody, again')
  expect(gone.closes).toHaveLength(1)
  expect(['EPIPE', 'ECONNRESET']).toContain(gone.closes[0])
})

test('a link that is destroyed where another hears of its end is told so once', async () => {
  const [one, oneFar] = await pair(transport)
  const [two, twoFar] = await pair(transport)
  await withinBatch(transport, () => {
    one.link.write('one')
    two.link.write('two')
    one.link.destroy()
    two.link.destroy()
    one.link.write('never')
  })
  await until(() => [one, two].every(({ closes }) => closes.length > 0), 'both to close')
  await until(() => oneFar.ends + twoFar.ends === 2, 'both FINs')
  expect([oneFar.text, twoFar.text]).toEqual(['one', 'two'])
  expect([one.closes, two.closes]).toEqual([[undefined], [undefined]])
})
