import { describe, expect, it } from 'vitest'
import { detectHttp } from './detect.ts'

describe('detection', () => {
  it.each([
    ['GET / HTTP/1.1\r\n', true],
    ['OPTIONS * HTTP/1.1\r\n', true],
    ['POST http://a/ HTTP/1.1\r\n', true],
    ['CONNECT a:443 HTTP/1.1\r\n', true],
    ['PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n', true],
    ['', undefined],
    ['G', undefined],
    ['GET ', undefined],
    ['GET key\r\n', false],
    ['GETEX a\r\n', false],
    ['SET a b\r\n', false],
    ['get a\r\n', false],
    ['EHLO a\r\n', false],
    ['\x16\x03\x01', false],
    ['\0\0\0\x08', false],
  ])('of %j: %s', (text, answer) => {
    expect(detectHttp(Buffer.from(text, 'latin1'))).toBe(answer)
  })
})
