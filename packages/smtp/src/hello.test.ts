import { describe, expect, test } from 'vitest'
import { endsAtGateway, helloLine, parseHello, relayedLines } from './hello.ts'
import { xtext } from './xclient.ts'

const offer = { auth: true, allTls: true }

test.each([
  ['EHLO alpha.example\r\n', 'alpha.example'],
  ['EHLO [192.0.2.1] and more\r\n', '[192.0.2.1]'],
  [`EHLO ${'x'.repeat(255)}\r\n`, 'x'.repeat(255)],
])('%s is passed on', (text, name) => {
  const hello = parseHello('EHLO', Buffer.from(text))
  expect(hello).toEqual({ verb: 'EHLO', name })
  expect(helloLine(hello!).toString()).toBe(`EHLO ${name}\r\n`)
})

test.each(['EHLO\r\n', 'EHLO \r\n', `EHLO ${'x'.repeat(256)}\r\n`, 'EHLO a\u0001b\r\n', 'EHLO a\tb\r\n'])(
  '%j is not',
  (text) => {
    expect(parseHello('EHLO', Buffer.from(text))).toBeUndefined()
  },
)

describe('of what a backend offers', () => {
  const keep = (lines: readonly string[], change: Partial<typeof offer> = {}): string[] =>
    relayedLines(['mx.inside greets you', ...lines], { ...offer, ...change })

  test('what works when commands are relayed one by one is passed on, as it is written', () => {
    const lines = ['PIPELINING', 'SIZE 1000', '8bitmime', 'SMTPUTF8', 'LIMITS RCPTMAX=100', 'DSN', 'REQUIRETLS']
    expect(keep(lines)).toEqual(lines)
  })

  test('what ends here, or is not known, is not', () => {
    expect(keep(['STARTTLS', 'XCLIENT ADDR', 'XFORWARD NAME', 'ETRN', 'ATRN', 'BURL imap', 'X-NEW'])).toEqual([])
    expect(keep(['REQUIRETLS', 'SIZE'], { allTls: false })).toEqual(['SIZE'])
  })

  test('AUTH goes without what cannot pass, and not where passwords could be read', () => {
    expect(keep(['AUTH PLAIN EXTERNAL LOGIN SCRAM-SHA-256-PLUS'])).toEqual(['AUTH PLAIN LOGIN'])
    expect(keep(['AUTH=PLAIN GSSAPI'])).toEqual(['AUTH=PLAIN'])
    expect(keep(['AUTH GSSAPI'])).toEqual([])
    expect(keep(['AUTH PLAIN'], { auth: false })).toEqual([])
  })
})

test('mechanisms that end at the gateway', () => {
  const names = ['PLAIN', 'external', 'GS2-KRB5', 'SCRAM-SHA-1-PLUS', 'DIGEST-MD5', 'XOAUTH2', 'SCRAM-SHA-1']
  expect(names.filter(endsAtGateway)).toEqual(['external', 'GS2-KRB5', 'SCRAM-SHA-1-PLUS', 'DIGEST-MD5'])
})

test('xtext hides what would end an attribute', () => {
  expect(xtext('a.example')).toBe('a.example')
  expect(xtext('a b+c=d\r\n')).toBe('a+20b+2Bc+3Dd+0D+0A')
  expect(xtext('ü')).toBe('+C3+BC')
})
