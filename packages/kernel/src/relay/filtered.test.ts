import { fakeClock, memoryTransport, Peer, settle, within } from '@proxy/testkit'
import { describe, expect, test } from 'vitest'
import type { Link, RelayOptions, RelayResult } from '../contracts.ts'
import { filteredRelay, type RelayFilter, type RelayPort } from './filtered.ts'

interface Scene {
  readonly client: Peer
  readonly backend: Peer
  readonly clock: ReturnType<typeof fakeClock>
  drain(): void
  result(): Promise<RelayResult>
}

interface Unread {
  readonly client?: string
  readonly backend?: string
  before?(client: Peer): Promise<void>
}

async function relayed(filter: RelayFilter, options: RelayOptions = {}, unread: Unread = {}): Promise<Scene> {
  const transport = memoryTransport()
  const clock = fakeClock()
  const links: Link[] = []
  const acceptor = { onLink: (link: Link) => void links.push(link), onError: () => undefined }
  const { address } = await transport.listen({ host: '127.0.0.1', port: 0 }, acceptor)
  const connect = (): Promise<Link> => transport.connect({ ...address, timeoutMs: 1_000 }, new AbortController().signal)
  const [client, backend] = [new Peer(await connect()), new Peer(await connect())]
  await unread.before?.(client)
  const flight = filteredRelay(filter).start({
    client: links[0]!,
    backend: links[1]!,
    clientUnread: Buffer.from(unread.client ?? ''),
    backendUnread: Buffer.from(unread.backend ?? ''),
    options,
    clock,
  })!
  const result = (): Promise<RelayResult> => within(flight.done, 'the end of the relay')
  return { client, backend, clock, result, drain: () => flight.drain() }
}

const text = (bytes: Buffer): string => bytes.toString('latin1')

test('what is not handed on does not arrive, and what is handed on may be something else', async () => {
  const { client, backend } = await relayed(
    {
      fromClient: (bytes, port) => port.toBackend(Buffer.from(text(bytes).replaceAll('x', '').toUpperCase())),
      fromBackend: (bytes, port) => port.toClient(Buffer.from(text(bytes).toLowerCase())),
    },
    {},
    { client: 'uxnread', backend: 'GREETING ' },
  )
  await backend.receives('UNREAD')
  client.write('x')
  client.write(' and moxre')
  await backend.receives('UNREAD AND MORE')
  backend.write('ANSWER')
  await client.receives('greeting answer')
})

describe('while the filter makes up its mind', () => {
  function holding(): { filter: RelayFilter; go(error?: Error): void; asked: string[] } {
    const asked: string[] = []
    let settle: (error?: Error) => void = () => undefined
    return {
      asked,
      go: (error) => settle(error),
      filter: {
        async fromClient(bytes, port) {
          const copy = Buffer.from(bytes)
          asked.push(text(copy))
          await new Promise<void>((resolve, reject) => {
            settle = (error) => (error === undefined ? resolve() : reject(error))
          })
          port.toBackend(copy)
        },
      },
    }
  }

  test('nothing of the client overtakes what it is about', async () => {
    const { filter, go, asked } = holding()
    const { client, backend } = await relayed(filter)
    client.write('first')
    await settle()
    client.write(' second')
    await settle()
    expect(asked).toEqual(['first'])
    expect(backend.receivedBytes).toBe(0)
    go()
    await backend.receives('first')
    go()
    await backend.receives('first second')
  })

  test('the client is held back, and the backend is not', async () => {
    const { filter } = holding()
    const { client, backend } = await relayed(filter)
    client.write('first')
    await settle()
    const chunk = Buffer.alloc(65_536)
    for (let sent = 0; client.link.writable; sent++) {
      expect(sent).toBeLessThan(8)
      client.write(chunk)
      await settle()
    }
    backend.write('meanwhile')
    await client.receives('meanwhile')
  })

  test.each(['before', 'during'])('a FIN that came %s the relay waits for it', async (when) => {
    const { filter, go } = holding()
    const ended = { client: 'last words', before: async (client: Peer) => (client.end(), settle()) }
    const { client, backend } = await relayed(filter, {}, when === 'before' ? ended : {})
    if (when === 'during') client.end('last words')
    await settle()
    expect(backend.ended).toBe(false)
    go()
    await backend.ends()
    expect(text(backend.received)).toBe('last words')
  })

  test('a client that leaves ends the relay, and what comes too late is dropped', async () => {
    const { filter, go } = holding()
    const { client, backend, result } = await relayed(filter)
    client.write('first')
    await settle()
    client.reset()
    expect(await result()).toMatchObject({ reason: 'client_reset' })
    go()
    await settle()
    expect(backend.receivedBytes).toBe(0)
  })

  test('a rejection ends the relay', async () => {
    const { filter, go } = holding()
    const { client, backend, result } = await relayed(filter)
    client.write('first')
    await settle()
    go(new Error('no'))
    await Promise.all([client.ends(), backend.ends()])
    client.end()
    expect(await result()).toMatchObject({ reason: 'error', error: { message: 'no' } })
  })
})

describe('an answer of the filter', () => {
  const answering = (answer: Buffer): RelayFilter => ({ fromClient: (_, port) => port.toClient(answer) })

  test('reaches the client and not the backend', async () => {
    const { client, backend } = await relayed(answering(Buffer.from('no')), {}, { client: 'question' })
    await client.receives('no')
    client.write('question')
    await client.receives('nono')
    expect(backend.receivedBytes).toBe(0)
  })

  test('that is not read stops the reading of questions, until it is', async () => {
    const answer = Buffer.alloc(4_096)
    let asked = 0
    const { client } = await relayed({ fromClient: (_, port) => (asked++, port.toClient(answer)) })
    client.pause()
    for (let count = 0; count < 200; count++) {
      client.write('?')
      await settle(2)
    }
    expect(asked).toBeLessThan(60)
    const before = asked
    client.resume()
    await client.receivesBytes(before * answer.length)
    client.write('?')
    await settle()
    expect(asked).toBeGreaterThan(before)
  })
})

test('end says the last word and closes both ends', async () => {
  const { client, backend, result } = await relayed({
    fromClient(bytes, port) {
      port.toBackend(bytes)
      port.end('refused', Buffer.from('bye'))
      port.end('done', Buffer.from('never'))
    },
  })
  client.write('hello')
  await Promise.all([client.ends(), backend.ends()])
  expect(text(client.received)).toBe('bye')
  client.end()
  expect(await result()).toEqual({ reason: 'refused', error: undefined })
})

describe.each(['unread', 'later'])('a filter that throws (%s)', (when) => {
  const broken = (): never => {
    throw new Error('broken')
  }

  test.each([
    ['client', { fromClient: broken }],
    ['backend', { fromBackend: broken }],
  ])('at bytes of the %s ends the relay', async (end, filter) => {
    const { client, backend, result } = await relayed(filter, {}, when === 'unread' ? { [end]: 'bytes' } : {})
    if (when === 'later') (end === 'client' ? client : backend).write('bytes')
    await Promise.all([client.ends(), backend.ends()])
    expect(client.receivedBytes + backend.receivedBytes).toBe(0)
    client.end()
    expect(await result()).toMatchObject({ reason: 'error', error: { message: 'broken' } })
  })
})

test('quiet and goodbye are the filter’s own where it has them', async () => {
  let quiet = false
  const pass = (bytes: Buffer, port: RelayPort): void => port.toClient(bytes)
  const filter = { fromBackend: pass, quiet: () => quiet, goodbye: () => Buffer.from(' goodbye') }
  const { client, backend, clock, drain } = await relayed(filter, { quiet: () => true, goodbye: Buffer.from('wrong') })
  client.write('question')
  await backend.receives('question')
  backend.write('answer')
  await client.receives('answer')
  drain()
  for (let passed = 0; passed < 5; passed++) clock.advance(1_000)
  await settle()
  expect(client.ended).toBe(false)
  quiet = true
  for (let passed = 0; passed < 5; passed++) clock.advance(1_000)
  await client.ends()
  expect(text(client.received)).toBe('answer goodbye')
})
