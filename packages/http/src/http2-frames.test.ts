import { describe, expect, it } from 'vitest'
import { FRAME_SIZE_ERROR, FrameReader, maxFrame, preface, PROTOCOL_ERROR } from './http2-frames.ts'

function collect(): { reader: FrameReader; seen: string[] } {
  const seen: string[] = []
  const reader = new FrameReader({
    onFrame(type, flags, stream, bytes, start, end) {
      seen.push(`${type} ${flags} ${stream} ${bytes.toString('latin1', start, end)}`)
      return true
    },
    onBadFrame(code) {
      seen.push(`bad ${code}`)
    },
  })
  return { reader, seen }
}

function frame(type: number, flags: number, stream: number, payload: string): Buffer {
  const header = Buffer.alloc(9)
  header.writeUIntBE(payload.length, 0, 3)
  header[3] = type
  header[4] = flags
  header.writeUInt32BE(stream, 5)
  return Buffer.concat([header, Buffer.from(payload, 'latin1')])
}

const sizes = [0, 1, 8, 0, 200, 5, 0]
const conversation = Buffer.concat([
  Buffer.from(preface),
  ...sizes.map((size, i) => frame(i, i, i * 2 + 1, String(i).repeat(size))),
])
const wanted = sizes.map((size, i) => `${i} ${i} ${i * 2 + 1} ${String(i).repeat(size)}`)

describe('frames', () => {
  it('are found wherever two cuts are', () => {
    for (let a = 0; a <= conversation.length; a++) {
      for (let b = a; b <= conversation.length; b += 7) {
        const { reader, seen } = collect()
        for (const part of [conversation.subarray(0, a), conversation.subarray(a, b), conversation.subarray(b)]) {
          // As a transport lends them: overwritten when the call is over.
          const lent = Buffer.from(part)
          reader.read(lent)
          lent.fill(0xff)
        }
        expect(seen).toEqual(wanted)
      }
    }
  })

  it('are found byte by byte', () => {
    const { reader, seen } = collect()
    for (const byte of conversation) reader.read(Buffer.from([byte]))
    expect(seen).toEqual(wanted)
  })

  it('may be of the largest size, and not larger, however they are cut', () => {
    for (const cut of [1, 20, 26, 30, 33, 100]) {
      const { reader, seen } = collect()
      const bytes = Buffer.concat([
        Buffer.from(preface),
        frame(0, 0, 1, 'x'.repeat(maxFrame)),
        frame(0, 0, 1, 'x'.repeat(maxFrame + 1)),
      ])
      for (let at = 0; at < bytes.length && seen.length < 2; at += cut) reader.read(bytes.subarray(at, at + cut))
      expect(seen).toHaveLength(2)
      expect(seen[1]).toBe(`bad ${FRAME_SIZE_ERROR}`)
    }
  })

  it('follow the preface and no other', () => {
    const { reader, seen } = collect()
    reader.read(Buffer.from('PRI * HTTP/2.0\r\n\r\nSX\r\n\r\n'))
    expect(seen).toEqual([`bad ${PROTOCOL_ERROR}`])
  })
})
