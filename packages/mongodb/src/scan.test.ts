import { GatewayError } from '@proxy/kernel'
import { everySplit } from '@proxy/testkit'
import { deserialize } from 'bson'
import { describe, expect, test } from 'vitest'
import { body, capture, captured, int32, message, messagesOf, query, sequence } from './__fixtures__/streams.ts'
import { commands } from './commands.ts'
import { CommandScan, Names } from './scan.ts'

interface Facts {
  readonly requestId: number
  readonly command: string | undefined
  readonly database: string | undefined
  readonly label: string | undefined
}

const newScan = (): CommandScan => new CommandScan(new Names(commands))

/** What is known of each message when the bytes come in these pieces; the scan is only shown what it asks for. */
function factsOf(pieces: readonly Buffer[], scan: CommandScan = newScan()): Facts[] {
  const all = Buffer.concat(pieces)
  const facts: Facts[] = []
  let [start, end] = [0, 0]
  for (const piece of pieces) {
    end += piece.length
    for (;;) {
      const from = Math.min(start + scan.next, end)
      scan.advance(Buffer.from(all.subarray(from, end)), 0, end - from, from - start)
      if (!scan.done || start + scan.length > end) break
      const { requestId, command, database, label } = scan
      facts.push({ requestId, command, database, label })
      start += scan.length
      scan.reset()
    }
  }
  return facts
}

const known = new Set([...commands.values()].flatMap((names) => names.map(([name]) => name)))

/** The same by the reference implementation of BSON. */
function expected(bytes: Buffer): Facts {
  const legacy = bytes.readInt32LE(12) === 2004
  const document = deserialize(bytes.subarray(legacy ? bytes.indexOf(0, 20) + 9 : 21), {
    allowObjectSmallerThanBufferSize: true,
  })
  const name = Object.keys(document)[0]!
  const database = legacy ? 'admin' : (document['$db'] as string)
  return { requestId: bytes.readInt32LE(4), command: known.has(name) ? name : '', database, label: undefined }
}

describe('what clients really send', () => {
  test.each(captured)('%s, cut at every byte', (name) => {
    const stream = capture(name)
    const messages = messagesOf(stream).map(expected)
    expect(factsOf([stream])).toEqual(messages)
    for (const pieces of everySplit(stream)) expect(factsOf(pieces)).toEqual(messages)
    expect(factsOf([...stream].map((byte) => Buffer.of(byte)))).toEqual(messages)
  })
})

const facts = (bytes: Buffer): Facts => {
  const all = [...everySplit(bytes)].map((pieces) => factsOf(pieces))
  for (const other of all) expect(other).toEqual(all[0])
  expect(all[0]).toHaveLength(1)
  return all[0]![0]!
}

describe('sections', () => {
  const command = { insert: 't', $db: 'alpha' }

  test.each([
    ['a body', [body(command)]],
    ['a body and documents', [body(command), sequence('documents', [{ a: 1 }, { b: 2 }])]],
    ['documents before the body', [sequence('documents', [{ a: 1 }]), body(command)]],
    ['the body in between', [sequence('a', []), body(command), sequence('b', [{ $db: 'beta' }])]],
  ])('%s', (_name, sections) => {
    for (const flags of [0, 1]) {
      expect(facts(message({}, { sections, flags }))).toMatchObject({ command: '', database: 'alpha' })
    }
  })

  test('a transaction, and a write that may be retried', () => {
    const numbered = { insert: 't', $db: 'alpha', lsid: { id: 1 }, txnNumber: 1n }
    expect(facts(message(numbered)).label).toBe('RetryableWriteError')
    expect(facts(message({ ...numbered, autocommit: false })).label).toBe('TransientTransactionError')
    expect(facts(message({ commitTransaction: 1, autocommit: false, $db: 'admin' })).label).toBe('RetryableWriteError')
  })

  test('values of every type are passed by', () => {
    const types = {
      a: 1.5,
      b: 'x',
      c: {},
      d: [1],
      e: Buffer.from('x'),
      f: null,
      g: /a/i,
      h: true,
      i: new Date(),
      j: 5n,
    }
    expect(facts(message({ find: 't', ...types, $db: 'alpha' })).database).toBe('alpha')
  })

  test('$db inside of other values is none', () => {
    expect(facts(message({ find: 't', filter: { $db: 'beta' }, $db: 'alpha' })).database).toBe('alpha')
    expect(facts(message({ find: 't', filter: { $db: 'beta' } })).database).toBeUndefined()
  })
})

const patched = (bytes: Buffer, at: number, value: number): Buffer => {
  const copy = Buffer.from(bytes)
  copy.writeInt32LE(value, at)
  return copy
}
const find = message({ find: 't', $db: 'alpha' })

describe('what is no message', () => {
  test.each<[string, Buffer, string]>([
    ['a length beyond the cap', patched(find, 0, 48_000_001), 'PROXY_MALFORMED'],
    ['a length of nothing', patched(find, 0, 15), 'PROXY_MALFORMED'],
    ['a negative length', patched(find, 0, -1), 'PROXY_MALFORMED'],
    ['OP_COMPRESSED', patched(find, 12, 2012), 'PROXY_UNSUPPORTED'],
    ['OP_INSERT', patched(find, 12, 2002), 'PROXY_UNSUPPORTED'],
    ['a required flag', patched(find, 16, 1 << 2), 'PROXY_UNSUPPORTED'],
    ['the last required flag', patched(find, 16, 1 << 15), 'PROXY_UNSUPPORTED'],
    ['no section of kind 0', message({}, { sections: [sequence('a', [])] }), 'PROXY_MALFORMED'],
    ['two sections of kind 0', message({}, { sections: [body({ a: 1 }), body({ b: 1 })] }), 'PROXY_MALFORMED'],
    ['a section of kind 2', message({}, { sections: [body({ a: 1 }), Buffer.of(2, 5, 0, 0, 0)] }), 'PROXY_MALFORMED'],
    ['an empty command', message({}), 'PROXY_MALFORMED'],
    ['$db that is a number', message({ find: 't', $db: 1 }), 'PROXY_MALFORMED'],
    [
      '$db twice',
      Buffer.from(
        message({ find: 't', $db: 'a', $dc: 'b' })
          .toString('latin1')
          .replace('$dc', () => '$db'),
        'latin1',
      ),
      'PROXY_MALFORMED',
    ],
    ['a document longer than its section', patched(find, 21, 5_000), 'PROXY_MALFORMED'],
    ['a string longer than its document', patched(find, 31, 5_000), 'PROXY_MALFORMED'],
    ['a key of 5,000 bytes', message({ ['k'.repeat(5_000)]: 1 }), 'PROXY_MALFORMED'],
    ['a query for documents', query({ a: 1 }, 'shop.things'), 'PROXY_MALFORMED'],
  ])('%s', (_name, bytes, code) => {
    for (const pieces of [[bytes], [...bytes].map((byte) => Buffer.of(byte))]) {
      expect(() => factsOf(pieces)).toThrow(GatewayError)
      try {
        factsOf(pieces)
      } catch (error) {
        expect((error as GatewayError).code).toBe(code)
      }
    }
  })

  test('optional flags are of no interest', () => {
    expect(facts(patched(find, 16, (1 << 16) | (1 << 17))).database).toBe('alpha')
  })

  test('a message of the largest size needs no room', () => {
    const scan = newScan()
    const head = message({}, { sections: [body({ insert: 't', $db: 'a' }), Buffer.concat([Buffer.of(1), int32(9)])] })
    const bytes = patched(patched(head, 0, 48_000_000), head.length - 4, 48_000_000 - head.length + 4)
    scan.advance(bytes, 0, bytes.length, 0)
    expect([scan.done, scan.decided, scan.length]).toEqual([true, true, 48_000_000])
  })
})
