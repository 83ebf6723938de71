import { fakeClock, memoryTransport, settle, until } from '@proxy/testkit'
import { afterEach, expect, test } from 'vitest'
import type { Protocol } from './contracts.ts'
import { Gateway } from './gateway.ts'
import type { SessionEndEvent } from './hooks.ts'

const line = (bytes: Buffer) => bytes.indexOf(10) + 1

/** Answers every line, between which its clients may be silent. */
const patient: Protocol = {
  api: 1,
  name: 'patient',
  speaksFirst: 'client',
  async serve(session) {
    while (await session.idle()) await session.client.write(await session.client.read(line))
  },
}

const cleanups: (() => unknown)[] = []
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup()
})

async function stage() {
  const clock = fakeClock()
  const transport = memoryTransport({ clock })
  const limits = { handshakeTimeoutMs: 1_000 }
  const listeners = [{ address: { host: '127.0.0.1', port: 0 }, protocol: patient, limits }]
  const gateway = new Gateway({ listeners, resolver: () => '10.0.0.1:1', transport, clock })
  const ends: SessionEndEvent[] = []
  gateway.hooks.on('session:end', (end) => ends.push(end))
  await gateway.open()
  cleanups.push(() => gateway.close())
  const client = await transport.client(gateway.addresses[0]!)
  cleanups.push(() => client.destroy())
  const pass = async (ms: number): Promise<void> => {
    for (let left = ms; left > 0; left -= 250) {
      clock.advance(Math.min(left, 250))
      await settle(4)
    }
  }
  return { gateway, ends, client, pass }
}

test('a client may be silent between two exchanges for as long as it likes', async () => {
  const { client, pass } = await stage()
  for (const text of ['one\n', 'two\n', 'three\n']) {
    await pass(100_000)
    client.write(text)
    await client.receives(text)
  }
})

test('from its first byte an exchange has the time of a handshake, all of it', async () => {
  const { client, pass, ends } = await stage()
  await pass(100_000)
  client.write('on')
  await pass(750)
  expect([client.ended, ends]).toEqual([false, []])
  await pass(750)
  await client.ends()
  client.end()
  await until(() => ends.length === 1, 'session:end')
  expect(ends[0]).toMatchObject({ reason: 'handshake_timeout', error: { code: 'PROXY_PEEK_TIMEOUT' } })
})

test('a drain ends the waiting, and the session that waits for nothing else', async () => {
  const { gateway, client, ends } = await stage()
  client.write('one\n')
  await client.receives('one\n')
  const drained = gateway.drain({ deadlineMs: 60_000 })
  await client.ends()
  client.end()
  await drained
  expect(ends).toMatchObject([{ outcome: 'answered', reason: 'done', error: undefined }])
})

test('a client that leaves while it is waited for has left', async () => {
  const { client, ends } = await stage()
  await settle()
  client.end()
  await until(() => ends.length === 1, 'session:end')
  expect(ends[0]).toMatchObject({ error: { code: 'PROXY_CLIENT_GONE' } })
})
