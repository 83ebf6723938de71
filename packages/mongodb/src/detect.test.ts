import { expect, test } from 'vitest'
import { capture, captured, int32, message, query } from './__fixtures__/streams.ts'
import { detectMongodb } from './detect.ts'

test.each(captured)('%s is recognised by its header', (name) => {
  const stream = capture(name)
  for (let length = 0; length < 16; length++) expect(detectMongodb(stream.subarray(0, length))).toBeUndefined()
  expect(detectMongodb(stream.subarray(0, 16))).toBe(true)
})

test.each<[string, Buffer]>([
  ['HTTP', Buffer.from('GET / HTTP/1.1\r\n')],
  ['a PostgreSQL startup', Buffer.from('000000210003000075736572006465', 'hex')],
  ['a TLS handshake', Buffer.from('160301003401000030030300010203', 'hex').subarray(0, 16)],
  ['a reply', message({ ok: 1 }, { responseTo: 1 })],
  ['a length beyond the cap', Buffer.concat([int32(48_000_001), query({ a: 1 }).subarray(4)])],
])('%s is not', (_name, bytes) => {
  expect(detectMongodb(Buffer.concat([bytes, Buffer.alloc(16)]).subarray(0, 20))).toBe(false)
})
