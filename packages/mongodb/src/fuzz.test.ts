import { GatewayError, type RelayPort } from '@proxy/kernel'
import { fuzzed } from '@proxy/testkit'
import { expect, test } from 'vitest'
import { capture, captured, message, messagesOf, query, sequence, body } from './__fixtures__/streams.ts'
import { Elements } from './bson.ts'
import { commands } from './commands.ts'
import { detectMongodb } from './detect.ts'
import { readBackendHello, readHello, readLogin } from './hello.ts'
import { Pinned } from './pinned.ts'
import { answer, type Request } from './refusals.ts'
import { CommandScan, Names } from './scan.ts'

// A million inputs in all with the default; the long form is for finding what a million does not.
const runs = Number(process.env['MONGODB_FUZZ_RUNS'] ?? 1_000_000)
const seed = Number(process.env['MONGODB_FUZZ_SEED'] ?? 1)

const messages = captured.flatMap((name) => messagesOf(capture(name)))
const samples = [
  ...new Set(messages.map((bytes) => bytes.toString('latin1'))),
  message({}, { sections: [sequence('documents', [{ a: 1 }]), body({ insert: 't', $db: 'alpha' })], flags: 1 }),
  message({ find: 't', r: /a/i, n: null, txnNumber: 1n, autocommit: false, $db: 'alpha' }),
  query({ isMaster: 1 }),
].map((bytes) => (typeof bytes === 'string' ? Buffer.from(bytes, 'latin1') : bytes))

const coded = (error: unknown): void => {
  if (!GatewayError.is(error) || (error.code !== 'PROXY_MALFORMED' && error.code !== 'PROXY_UNSUPPORTED')) throw error
}

test('the scan of messages', { timeout: 120_000 }, () => {
  const scan = new CommandScan(new Names(commands))
  let [whole, refused, open] = [0, 0, 0]
  for (const bytes of fuzzed(samples, runs * 0.5, seed)) {
    scan.reset()
    try {
      scan.advance(bytes, 0, bytes.length, 0)
      if (scan.done) whole += 1
      else open += 1
      // It never claims what is not there.
      if (scan.decided && scan.bodyEnd > scan.length) throw new Error(`a body behind the end: ${bytes.toString('hex')}`)
    } catch (error) {
      coded(error)
      refused += 1
    }
  }
  expect([whole > 0, refused > 0, open > 0, whole + refused + open]).toEqual([true, true, true, runs * 0.5])
})

class Counter implements RelayPort {
  toBackendBytes = 0
  toClientBytes = 0
  ended = false

  toBackend(bytes: Buffer): void {
    this.toBackendBytes += bytes.length
  }

  toClient(bytes: Buffer): void {
    this.toClientBytes += bytes.length
  }

  end(): void {
    this.ended = true
  }
}

test('pinned connections, cut anywhere', { timeout: 120_000 }, () => {
  const names = new Names(commands)
  const described = Buffer.from(body({ ok: 1 }).subarray(1))
  const pin = {
    names,
    client: '192.0.2.1:1',
    sessions: false,
    allows: (database: string) => database === 'alpha',
    hello: (_command: string, request: Request) => answer(described, request),
  }
  let cut = 0
  let passed = 0
  for (const bytes of fuzzed(samples, runs * 0.3, seed + 1)) {
    const [subject, port] = [new Pinned(pin), new Counter()]
    cut = (cut * 31 + 7) % (bytes.length + 1)
    for (const piece of [bytes.subarray(0, cut), bytes.subarray(cut)]) {
      if (piece.length > 0 && !port.ended) subject.fromClient(piece, port)
    }
    if (port.toBackendBytes > bytes.length) throw new Error(`more went on than came: ${bytes.toString('hex')}`)
    if (port.toBackendBytes > 0) passed += 1
  }
  expect(passed).toBeGreaterThan(0)
})

test('documents, and what is read in them', { timeout: 120_000 }, () => {
  const documents = messages.map((bytes) => {
    const at = bytes.readInt32LE(12) === 2013 ? 21 : bytes.indexOf(0, 20) + 9
    return bytes.subarray(at, at + bytes.readInt32LE(at))
  })
  let read = 0
  for (const bytes of fuzzed(documents, runs * 0.2, seed + 2)) {
    try {
      detectMongodb(bytes)
      if (bytes.length >= 4) bytes.writeInt32LE(bytes.length, 0)
      readHello(new Elements(bytes), true)
      readLogin(new Elements(bytes))
      readBackendHello(new Elements(bytes))
      read += 1
    } catch (error) {
      coded(error)
    }
  }
  expect(read).toBeGreaterThan(0)
})

test('a length claims no memory', () => {
  const before = process.memoryUsage().arrayBuffers
  const scan = new CommandScan(new Names(commands))
  const head = Buffer.from(message({ insert: 't', $db: 'alpha' }, { sections: [Buffer.of(1)] }))
  for (let i = 0; i < 10_000; i++) {
    head.writeInt32LE(48_000_000, 0)
    scan.reset()
    scan.advance(head, 0, head.length, 0)
  }
  expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(16 * 1024 * 1024)
})
