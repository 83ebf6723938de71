import { everySplit } from '@proxy/testkit'
import { describe, expect, test } from 'vitest'
import { DataScanner } from './data-scanner.ts'

function scanAll(pieces: readonly Buffer[]): string {
  const scanner = new DataScanner()
  scanner.begin()
  let content = 0
  for (const piece of pieces) {
    const end = scanner.scan(piece, 0)
    if (end < 0) return scanner.fault
    if (end > 0) return `ends at ${content + end}`
    content += piece.length
  }
  return 'goes on'
}

const verdicts: readonly (readonly [content: string, verdict: string])[] = [
  ['.\r\n', 'ends at 3'],
  ['Subject: x\r\n\r\nhello\r\n.\r\n', 'ends at 24'],
  ['hello\r\n.\r\nQUIT\r\n', 'ends at 10'],
  ['..\r\n.stuffed\r\n...\r\n.\r\n', 'ends at 22'],
  ['hello\r\n.', 'goes on'],
  ['hello\r\n.\r', 'goes on'],
  ['hello.\r\n', 'goes on'],
  ['hello\r\n. \r\n', 'goes on'],
  ['', 'goes on'],
  // What other programs have taken for the end.
  ['hello\n.\n', 'bare LF is not allowed'],
  ['hello\n.\r\n', 'bare LF is not allowed'],
  ['hello\r\n.\n', 'bare LF is not allowed'],
  ['hello\r.\r', 'bare CR is not allowed'],
  ['hello\r.\r\n', 'bare CR is not allowed'],
  ['hello\r\n.\r.\r\n', 'bare CR is not allowed'],
  ['hello\r\n\0.\r\n', 'NUL is not allowed'],
  ['hello\r\0\n.\r\n', 'bare CR is not allowed'],
  ['hello\r\r\n.\r\n', 'bare CR is not allowed'],
  ['hello\r\n\n.\r\n', 'bare LF is not allowed'],
  ['\n.\r\n', 'bare LF is not allowed'],
  ['.\n', 'bare LF is not allowed'],
  // What comes behind the end is the next command's business.
  ['hello\r\n.\r\n\n\0\r', 'ends at 10'],
]

describe('only CRLF.CRLF ends content', () => {
  test.each(verdicts)('%j: %s', (content, verdict) => {
    expect(scanAll([Buffer.from(content, 'latin1')])).toBe(verdict)
    expect(scanAll([...Buffer.from(content, 'latin1')].map((byte) => Buffer.of(byte)))).toBe(verdict)
    for (const pieces of everySplit(content)) expect(scanAll(pieces)).toBe(verdict)
  })
})

test('a scanner serves one message after the other', () => {
  const scanner = new DataScanner()
  for (let message = 0; message < 3; message++) {
    scanner.begin()
    expect(scanner.scan(Buffer.from('a\r\n.'), 0)).toBe(0)
    expect(scanner.scan(Buffer.from('\r\nb'), 0)).toBe(2)
  }
})

test('an offset is where the content begins', () => {
  const scanner = new DataScanner()
  scanner.begin()
  expect(scanner.scan(Buffer.from('\n\0\r.\r\n'), 3)).toBe(6)
})
