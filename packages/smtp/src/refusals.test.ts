import { type ErrorCode, errorCodes, GatewayError } from '@proxy/kernel'
import { describe, expect, test } from 'vitest'
import { failureReply, isPermanent, lastReply } from './refusals.ts'

const codes = Object.keys(errorCodes) as ErrorCode[]

test.each(codes)('%s gives a reply, or nothing where it could not be read', (code) => {
  const error = new GatewayError(code, { cause: new Error('10.0.0.1') })
  const silent = ['PROXY_CLIENT_GONE', 'PROXY_TLS_HANDSHAKE', 'PROXY_PROXY_HEADER'].includes(code)
  const last = lastReply(error)
  expect(last === undefined).toBe(silent)
  const form = /^([45])\d\d \1\.\d\.\d{1,2} [\x20-\x7e]+\r\n$/
  if (last !== undefined) expect(last).toMatch(form)
  expect(failureReply(error)).toMatch(form)
})

describe('mail bounces only for what will not change by itself', () => {
  const lasting: readonly ErrorCode[] = [
    'PROXY_RESOLVE_NOT_FOUND',
    'PROXY_RESOLVE_FORBIDDEN',
    'PROXY_PEEK_OVERFLOW',
    'PROXY_MALFORMED',
    'PROXY_UNSUPPORTED',
    'PROXY_NO_KEY',
    'PROXY_KEY_CONFLICT',
    'PROXY_TLS_REQUIRED',
    'PROXY_TLS_CERTIFICATE',
    'PROXY_TLS_INJECTION',
  ]
  test.each(codes)('%s', (code) => {
    expect(isPermanent(new GatewayError(code))).toBe(lasting.includes(code))
    expect(lastReply(new GatewayError(code))?.startsWith('5') ?? false).toBe(lasting.includes(code))
  })
})

test('a reply is one line of ASCII, whatever somebody wrote into an error', () => {
  const error = new GatewayError('PROXY_RESOLVE_NOT_FOUND', { message: 'nö\r\n250 yes', hint: 'x'.repeat(1_000) })
  expect(lastReply(error)).toMatch(/^550 5\.1\.2 n 250 yes \(x+\r\n$/)
  expect(lastReply(error)!.length).toBeLessThan(512)
})
