import { arbitrarySplits, everySplit, mutated } from '@proxy/testkit'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { BodyFraming, parseTrailers } from './body.ts'

function chunked(): BodyFraming {
  const body = new BodyFraming()
  body.chunks()
  return body
}

/** Feeds the pieces; -1 when the framing broke, else the bytes that belong to the body. */
function feed(body: BodyFraming, pieces: readonly Buffer[], payload?: Buffer[]): number {
  const sink = payload && {
    onPayload: (b: Buffer, s: number, e: number) => payload.push(Buffer.from(b.subarray(s, e))),
  }
  let total = 0
  for (const piece of pieces) {
    const end = body.consume(piece, 0, piece.length, sink)
    if (end < 0) return -1
    total += end
    if (body.done) break
  }
  return total
}

const plain = '5\r\nhello\r\n6;a=b;c="d e"\r\n world\r\n0\r\nX-Sum: 1\r\nX-More:\r\n\r\n'

describe('a chunked body', () => {
  it('ends where it ends, however it is cut, and leaves what follows', () => {
    const text = Buffer.from(`${plain}GET /`)
    for (const pieces of everySplit(text)) {
      const body = chunked()
      const payload: Buffer[] = []
      expect(feed(body, pieces, payload)).toBe(
        pieces[0].length > plain.length ? plain.length : Math.min(plain.length, text.length),
      )
      expect(body.done).toBe(true)
      expect(Buffer.concat(payload).toString()).toBe('hello world')
      expect(parseTrailers(body.trailers)).toEqual([
        ['x-sum', '1'],
        ['x-more', ''],
      ])
    }
  })

  it('is the same cut anywhere', () => {
    fc.assert(
      fc.property(arbitrarySplits(plain), (pieces) => {
        const body = chunked()
        const payload: Buffer[] = []
        expect(feed(body, pieces, payload)).toBe(plain.length)
        expect([body.done, Buffer.concat(payload).toString()]).toEqual([true, 'hello world'])
      }),
    )
  })

  it.each([
    ['no size', '\r\nhello'],
    ['a size that is no number', 'g\r\n'],
    ['a signed size', '+5\r\nhello\r\n'],
    ['a negative size', '-5\r\nhello\r\n'],
    ['a size with 0x', '0x5\r\nhello\r\n'],
    ['a space before the size', ' 5\r\nhello\r\n'],
    ['a space behind the size', '5 \r\nhello\r\n'],
    ['a size beyond every number', `${'f'.repeat(16)}\r\n`],
    ['a size with many zeros', `${'0'.repeat(20)}5\r\nhello\r\n`],
    ['a bare line feed behind the size', '5\nhello\r\n'],
    ['a bare carriage return behind the size', '5\rhello\r\n'],
    ['a line feed inside an extension', '5;a\nb\r\nhello\r\n'],
    ['a NUL inside an extension', '5;\0\r\nhello\r\n'],
    ['an endless extension', `5;${'a'.repeat(300)}\r\nhello\r\n`],
    ['data that is longer than said', '5\r\nhello!\r\n'],
    ['a bare line feed behind the data', '5\r\nhello\n0\r\n\r\n'],
    ['nothing behind the data', '5\r\nhello0\r\n\r\n'],
    ['a bare line feed at the end', '0\r\n\n'],
    ['a trailer that is no field', '0\r\nnonsense\r\n\r\n'],
    ['a folded trailer', '0\r\nA: b\r\n c\r\n\r\n'],
    ['a trailer with a space before its colon', '0\r\nA : b\r\n\r\n'],
    ['endless trailers', `0\r\n${'A: b\r\n'.repeat(10_000)}\r\n`],
    ['extensions on every chunk', `${`1;${'a'.repeat(200)}\r\nx\r\n`.repeat(100)}0\r\n\r\n`],
  ])('with %s is broken', (_name, text) => {
    for (const cut of [1, 3, text.length]) {
      const pieces: Buffer[] = []
      for (let at = 0; at < text.length; at += cut) pieces.push(Buffer.from(text.slice(at, at + cut), 'latin1'))
      expect(feed(chunked(), pieces)).toBe(-1)
    }
  })

  it('never throws, whatever the bytes', () => {
    fc.assert(
      fc.property(mutated([plain]), (bytes) => {
        expect(feed(chunked(), [bytes])).toBeLessThanOrEqual(bytes.length)
      }),
      { numRuns: 2_000 },
    )
  })
})

describe('other bodies', () => {
  it('end by their length', () => {
    const body = new BodyFraming()
    body.length(5)
    expect(body.consume(Buffer.from('hel'), 0, 3)).toBe(3)
    expect(body.done).toBe(false)
    expect(body.consume(Buffer.from('lo, GET'), 0, 7)).toBe(2)
    expect(body.done).toBe(true)
  })

  it('end at once when they are empty, and never before the connection when they have no framing', () => {
    const body = new BodyFraming()
    body.length(0)
    expect(body.done).toBe(true)
    body.close()
    expect([body.consume(Buffer.from('abc'), 0, 3), body.done, body.untilClose]).toEqual([3, false, true])
  })
})
