import { Binary, deserialize, Long, ObjectId, serialize } from 'bson'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { DocumentWriter, Elements } from './bson.ts'

const elements = (document: object): Elements => new Elements(Buffer.from(serialize(document)))

test('what is written reads the same elsewhere', () => {
  const bytes = new DocumentWriter()
    .int32('a', -1)
    .double('b', 1.5)
    .date('c', 1_000)
    .boolean('d', true)
    .string('e', 'ü')
    .objectId('f', Buffer.alloc(32, 1))
    .document('g', new DocumentWriter().int32('x', 1).end())
    .strings('h', ['x', 'y'])
    .int32s('i', [7, 0])
    .copy(undefined)
    .end()
  expect(deserialize(bytes)).toEqual({
    a: -1,
    b: 1.5,
    c: new Date(1_000),
    d: true,
    e: 'ü',
    f: new ObjectId(Buffer.alloc(12, 1)),
    g: { x: 1 },
    h: ['x', 'y'],
    i: [7, 0],
  })
})

test('what is written elsewhere reads the same', () => {
  fc.assert(
    fc.property(fc.dictionary(fc.stringMatching(/^[a-zäü$.]{1,20}$/), value), (document) => {
      const read = elements(document)
      const keys: string[] = []
      while (read.next()) {
        keys.push(read.key)
        const expected = document[read.key]
        if (typeof expected === 'string') expect(read.string).toBe(expected)
        if (typeof expected === 'number') expect(read.number).toBe(expected)
        if (typeof expected === 'boolean') expect(read.truth).toBe(expected)
        if (expected instanceof Binary) expect(read.binary?.equals(expected.buffer)).toBe(true)
      }
      expect(keys).toEqual(Object.keys(document))
    }),
  )
})

const value: fc.Arbitrary<unknown> = fc.oneof(
  fc.string(),
  fc.integer({ min: -(2 ** 31), max: 2 ** 31 - 1 }),
  fc.double({ noNaN: true, noDefaultInfinity: true }).filter((number) => !Object.is(number, -0)),
  fc.boolean(),
  fc.constantFrom(null, new Date(5), /a/gi, Long.fromNumber(7), new ObjectId(), [1, { a: 2 }], { b: 'x' }),
  fc.uint8Array().map((bytes) => new Binary(bytes)),
)

test('elements move from one document to another', () => {
  const read = elements({ a: { b: [1, 2] }, c: 1 })
  read.next()
  expect(deserialize(new DocumentWriter().copy(read.element).end())).toEqual({ a: { b: [1, 2] } })
})

test.each<[string, string]>([
  ['no room for a length', '0500'],
  ['another length', '0600000000'],
  ['no end', '0500000001'],
  ['a key without an end', '0800000010616200'],
  ['an unknown type', '08000000206100 00'],
  ['a value that is longer than its document', '0a00000010610001 00 00'],
  ['a string of no length', '0c00000002610000000000 00'],
  ['a document inside of four bytes', '0c0000000361000400000000'],
])('%s is malformed', (_name, hex) => {
  const bytes = Buffer.from(hex.replaceAll(' ', ''), 'hex')
  expect(() => {
    const read = new Elements(bytes)
    while (read.next()) read.inner?.next()
  }).toThrow(expect.objectContaining({ code: 'PROXY_MALFORMED' }) as Error)
})
