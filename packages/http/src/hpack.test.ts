import { describe, expect, it } from 'vitest'
import { HpackDecoder } from './hpack-decoder.ts'
import { HpackEncoder, charactersOf, roomFor } from './hpack-encoder.ts'

const bytesOf = (hex: string): Buffer => Buffer.from(hex.replaceAll(' ', ''), 'hex')

const read = (decoder: HpackDecoder, block: Buffer): string[] | undefined =>
  decoder.decode(block, 0, block.length) ? decoder.fields.map(({ name, value }) => `${name}: ${value}`) : undefined

const decoder = (): HpackDecoder => new HpackDecoder(16_384, 128)

const request = [':method: GET', ':scheme: http', ':path: /', ':authority: www.example.com']

/** Of RFC 7541 C.5 and C.6. */
const moved = ['cache-control: private', 'date: Mon, 21 Oct 2013 20:13:21 GMT', 'location: https://www.example.com']
const responses = [
  [':status: 302', ...moved],
  [':status: 307', ...moved],
  [
    ':status: 200',
    'cache-control: private',
    'date: Mon, 21 Oct 2013 20:13:22 GMT',
    'location: https://www.example.com',
    'content-encoding: gzip',
    'set-cookie: foo=ASDJKHQKBZXOQWEOPIUAXQWEOIU; max-age=3600; version=1',
  ],
]

describe('the decoder', () => {
  it.each([
    ['without Huffman (C.3.1)', '8286 8441 0f77 7777 2e65 7861 6d70 6c65 2e63 6f6d'],
    ['with Huffman (C.4.1)', '8286 8441 8cf1 e3c2 e5f2 3a6b a0ab 90f4 ff'],
  ])('reads the request of RFC 7541 %s', (_name, hex) => {
    expect(read(decoder(), bytesOf(hex))).toEqual(request)
  })

  it.each([
    ['10 (C.1.1)', '2a 82'],
    ['1337 (C.1.2)', '3f9a0a 82'],
  ])('reads the integer %s, here as a table size', (_name, hex) => {
    expect(read(decoder(), bytesOf(hex))).toEqual([':method: GET'])
  })

  it.each([
    [
      'with indexing (C.2.1)',
      '400a 6375 7374 6f6d 2d6b 6579 0d63 7573 746f 6d2d 6865 6164 6572',
      'custom-key: custom-header',
      true,
    ],
    ['without indexing (C.2.2)', '040c 2f73 616d 706c 652f 7061 7468', ':path: /sample/path', false],
    ['never indexed (C.2.3)', '1008 7061 7373 776f 7264 0673 6563 7265 74', 'password: secret', false],
    ['of the static table (C.2.4)', '82', ':method: GET', false],
  ])('reads a field %s', (_name, hex, field, kept) => {
    const same = decoder()
    expect(read(same, bytesOf(hex))).toEqual([field])
    // The first entry of the dynamic table, where there is one.
    expect(read(same, bytesOf('be'))).toEqual(kept ? [field] : undefined)
  })

  it('reads requests that refer to those before, without Huffman (C.3)', () => {
    const same = decoder()
    expect(read(same, bytesOf('8286 8441 0f77 7777 2e65 7861 6d70 6c65 2e63 6f6d'))).toEqual(request)
    expect(read(same, bytesOf('8286 84be 5808 6e6f 2d63 6163 6865'))).toEqual([...request, 'cache-control: no-cache'])
    const third = '8287 85bf 400a 6375 7374 6f6d 2d6b 6579 0c63 7573 746f 6d2d 7661 6c75 65'
    expect(read(same, bytesOf(third))).toEqual([
      ':method: GET',
      ':scheme: https',
      ':path: /index.html',
      ':authority: www.example.com',
      'custom-key: custom-value',
    ])
  })

  it('reads requests that refer to those before (C.4)', () => {
    const same = decoder()
    expect(read(same, bytesOf('8286 8441 8cf1 e3c2 e5f2 3a6b a0ab 90f4 ff'))).toEqual(request)
    expect(read(same, bytesOf('8286 84be 5886 a8eb 1064 9cbf'))).toEqual([...request, 'cache-control: no-cache'])
    expect(read(same, bytesOf('8287 85bf 4088 25a8 49e9 5ba9 7d7f 8925 a849 e95b b8e8 b4bf'))).toEqual([
      ':method: GET',
      ':scheme: https',
      ':path: /index.html',
      ':authority: www.example.com',
      'custom-key: custom-value',
    ])
  })

  it.each([
    [
      'C.5',
      '4803 3330 3258 0770 7269 7661 7465 611d 4d6f 6e2c 2032 3120 4f63 7420 3230 3133 2032 303a 3133 3a32 3120 474d 546e 1768 7474 7073 3a2f 2f77 7777 2e65 7861 6d70 6c65 2e63 6f6d',
      '4803 3330 37c1 c0bf',
      '88c1 611d 4d6f 6e2c 2032 3120 4f63 7420 3230 3133 2032 303a 3133 3a32 3220 474d 54c0 5a04 677a 6970 7738 666f 6f3d 4153 444a 4b48 514b 425a 584f 5157 454f 5049 5541 5851 5745 4f49 553b 206d 6178 2d61 6765 3d33 3630 303b 2076 6572 7369 6f6e 3d31',
    ],
    [
      'C.6, with Huffman',
      '4882 6402 5885 aec3 771a 4b61 96d0 7abe 9410 54d4 44a8 2005 9504 0b81 66e0 82a6 2d1b ff6e 919d 29ad 1718 63c7 8f0b 97c8 e9ae 82ae 43d3',
      '4883 640e ffc1 c0bf',
      '88c1 6196 d07a be94 1054 d444 a820 0595 040b 8166 e084 a62d 1bff c05a 839b d9ab 77ad 94e7 821d d7f2 e6c7 b335 dfdf cd5b 3960 d5af 2708 7f36 72c1 ab27 0fb5 291f 9587 3160 65c0 03ed 4ee5 b106 3d50 07',
    ],
  ])('evicts from a table of 256 bytes (%s)', (_name, first, second, third) => {
    const same = decoder()
    const sized = '3fe101'
    expect(read(same, bytesOf(sized + first))).toEqual(responses[0])
    expect(read(same, bytesOf(second))).toEqual(responses[1])
    expect(read(same, bytesOf(third))).toEqual(responses[2])
  })

  it.each([
    ['index 0', '80'],
    ['an index that is not in the table', 'be'],
    ['an index without end', 'ffffffffffffff'],
    ['a table larger than we have said', '3fe21f'],
    ['a table size behind a field', '8220'],
    ['a name that is cut', '4005 6162'],
    ['a length without end', '40ff ffffffff0f'],
    ['a value that is missing', '4001 61'],
    ['Huffman with the end in it', '4084 ffffffff 0161'],
    ['Huffman with 8 bits of padding', '4082 1fff 0161'],
    ['Huffman padded with zeros', '4081 18 0161'],
  ])('refuses %s', (_name, hex) => {
    expect(read(decoder(), bytesOf(hex))).toBeUndefined()
  })

  it('keeps no more of a block than is allowed, and goes on with the table', () => {
    const small = new HpackDecoder(100, 128)
    const block = bytesOf(`4001 61 01 62 ${'be'.repeat(50)}`)
    expect(read(small, block)).toHaveLength(2)
    expect(small.overflow).toBe(true)
    expect(read(small, bytesOf('be'))).toEqual(['a: b'])
    expect(small.overflow).toBe(false)
  })

  it('counts fields', () => {
    const few = new HpackDecoder(16_384, 3)
    expect(read(few, bytesOf('82828282'))).toHaveLength(3)
    expect(few.overflow).toBe(true)
  })
})

describe('the encoder', () => {
  /** As a small generator that gives the same in every run. */
  const random = (seed: number) => () => {
    seed = (Math.imul(seed, 1_103_515_245) + 12_345) & 0x7fffffff
    return seed / 0x80000000
  }

  it('is understood by the decoder, through evictions and changes of the table size', () => {
    const next = random(7)
    const [encoder, same] = [new HpackEncoder(), decoder()]
    const names = ['server', 'date', 'x-a', 'content-type', 'set-cookie', 'content-length', 'x-long', ':status']
    for (let i = 0; i < 2_000; i++) {
      if (next() < 0.02) encoder.limit(Math.floor(next() * 6_000))
      const fields = Array.from({ length: Math.floor(next() * 8) }, (): [string, string] => {
        const name = names[Math.floor(next() * names.length)]!
        return [name, name === 'x-long' ? 'v'.repeat(next() * 900) : `v${Math.floor(next() * 40)}`]
      })
      const into = Buffer.alloc(roomFor(fields.length + 1, charactersOf(fields)))
      encoder.begin(into, 0)
      encoder.status(i % 2 === 0 ? 200 : 404)
      for (const [name, value] of fields) encoder.field(name, value)
      const wanted = [`:status: ${i % 2 === 0 ? 200 : 404}`, ...fields.map(([name, value]) => `${name}: ${value}`)]
      expect(read(same, into.subarray(0, encoder.end))).toEqual(wanted)
    }
  })

  it('keeps to a table of 256 bytes, says so first, and evicts as the decoder does (C.5)', () => {
    const [encoder, same] = [new HpackEncoder(), decoder()]
    encoder.limit(256)
    const blocks = responses.map((response) => {
      const fields = response.map((line): [string, string] => [
        line.slice(0, line.indexOf(':', 1)),
        line.slice(line.indexOf(':', 1) + 2),
      ])
      const into = Buffer.alloc(roomFor(fields.length, charactersOf(fields)))
      encoder.begin(into, 0)
      encoder.status(Number(fields[0]![1]))
      for (const [name, value] of fields.slice(1)) encoder.field(name, value)
      return into.subarray(0, encoder.end)
    })
    expect(blocks[0]!.subarray(0, 3).toString('hex')).toBe('3fe101')
    expect(blocks.map((block) => read(same, block))).toEqual(responses)
    // What is in the table by now takes a byte.
    expect(blocks[1]!.length).toBeLessThan(blocks[0]!.length - 'private'.length)
  })

  it('does not put into the table what others should not guess at, or what never comes again', () => {
    const encoder = new HpackEncoder()
    const into = Buffer.alloc(200)
    const length = (name: string): number => {
      encoder.begin(into, 0)
      encoder.field(name, 'a value')
      return encoder.end
    }
    for (const name of ['set-cookie', 'authorization', 'etag']) expect(length(name)).toBe(length(name))
    expect(length('server')).toBeGreaterThan(1)
    expect(length('server')).toBe(1)
  })
})
