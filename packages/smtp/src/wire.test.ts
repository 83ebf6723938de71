import { describe, expect, test } from 'vitest'
import { argumentOf, lineFault, lineLength, lineLimit, parseBdat, verbOf } from './wire.ts'

const line = (text: string): Buffer => Buffer.from(text, 'latin1')

describe('verbs', () => {
  test.each([
    ['EHLO alpha\r\n', 'EHLO', 'alpha'],
    ['quit\r\n', 'QUIT', ''],
    ['Mail  FROM:<>  SIZE=1 \r\n', 'MAIL', 'FROM:<>  SIZE=1'],
    [' NOOP\r\n', '', 'NOOP'],
    ['NOOP\tx\r\n', '', ''],
    ['X-1 a\r\n', '', 'a'],
    ['\r\n', '', ''],
    ['DATA\0\r\n', '', ''],
  ])('%j is %j with %j', (text, verb, argument) => {
    expect(verbOf(line(text))).toBe(verb)
    expect(argumentOf(line(text))).toBe(argument)
  })
})

describe('lines', () => {
  test.each([
    ['NOOP\r\n', undefined],
    ['NOOP\n', 'bare LF is not allowed'],
    ['\n', 'bare LF is not allowed'],
    ['NO\rOP\r\n', 'bare CR is not allowed'],
    ['NOOP\r\r\n', 'bare CR is not allowed'],
    ['NOOP \0\r\n', 'NUL is not allowed'],
  ])('%j: %s', (text, fault) => {
    expect(lineFault(line(text))).toBe(fault)
  })

  test.each([
    ['NOOP', 512],
    ['DAT', 512],
    ['mail FROM:<>', 2_048],
    ['RCPT TO:<>', 2_048],
    ['auth PLAIN', 12_288],
  ])('%s has a limit of %i bytes', (text, limit) => {
    expect(lineLimit(line(text), 0)).toBe(limit)
    expect(lineLimit(line(`NOOP\r\n${text}`), 6)).toBe(limit)
  })

  test('a line is as long as its limit, and no longer', () => {
    const longest = line(`${'x'.repeat(510)}\r\n`)
    expect(lineLength(longest, 0, 512)).toBe(512)
    expect(lineLength(line(`x${longest.toString()}`), 0, 512)).toBe(-1)
    expect(lineLength(longest.subarray(0, 511), 0, 512)).toBe(0)
    expect(lineLength(Buffer.alloc(512, 0x78), 0, 512)).toBe(-1)
  })
})

test.each([
  ['0', { size: 0, last: false }],
  ['1000 LAST', { size: 1_000, last: true }],
  ['1000  last', { size: 1_000, last: true }],
  ['999999999999999', { size: 999_999_999_999_999, last: false }],
  ['1000000000000000', undefined],
  ['-1', undefined],
  ['+1', undefined],
  ['0x10', undefined],
  ['1e3', undefined],
  ['10 FIRST', undefined],
  ['LAST', undefined],
])('BDAT %s', (argument, chunk) => {
  expect(parseBdat(argument)).toEqual(chunk)
})
