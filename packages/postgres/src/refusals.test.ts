import { type ErrorCode, errorCodes, GatewayError } from '@proxy/kernel'
import { describe, expect, test } from 'vitest'
import { goodbye, refusal, tlsAlert } from './refusals.ts'
import { clientMessageFramer, errorField } from './wire.ts'

const codes = Object.keys(errorCodes) as ErrorCode[]
const silent: ErrorCode[] = ['PROXY_CLIENT_GONE', 'PROXY_TLS_HANDSHAKE', 'PROXY_PROXY_HEADER']

describe('every code of the kernel', () => {
  test.each(codes.filter((code) => !silent.includes(code)))('%s', (code) => {
    const bytes = refusal(new GatewayError(code))!
    expect(clientMessageFramer(bytes)).toBe(bytes.length)
    expect(errorField(bytes, 'S')).toBe('FATAL')
    expect(errorField(bytes, 'V')).toBe('FATAL')
    expect(errorField(bytes, 'C')).toMatch(/^[0-9A-Z]{5}$/)
    expect(errorField(bytes, 'M')).toBe(errorCodes[code].message)
  })

  test.each(silent)('%s is not answered', (code) => {
    expect(refusal(new GatewayError(code))).toBeUndefined()
  })
})

test.each<[ErrorCode, string]>([
  ['PROXY_RESOLVE_NOT_FOUND', '3D000'],
  ['PROXY_WAKE_TIMEOUT', '57P03'],
  ['PROXY_RESOLVE_UNAVAILABLE', '57P03'],
  ['PROXY_DIAL_REFUSED', '08006'],
  ['PROXY_LIMIT_CONNECTIONS', '53300'],
  ['PROXY_DRAINING', '57P01'],
  ['PROXY_MALFORMED', '08P01'],
  ['PROXY_RESOLVE_FORBIDDEN', '28000'],
  ['PROXY_TLS_REQUIRED', '28000'],
])('%s is SQLSTATE %s', (code, sqlState) => {
  expect(errorField(refusal(new GatewayError(code))!, 'C')).toBe(sqlState)
})

test('message and hint of the error win', () => {
  const bytes = refusal(new GatewayError('PROXY_RESOLVE_NOT_FOUND', { message: 'gone', hint: 'ask again' }))!
  expect([errorField(bytes, 'M'), errorField(bytes, 'H')]).toEqual(['gone', 'ask again'])
})

test('the code of a newer kernel is an internal error', () => {
  const error = Object.assign(new GatewayError('PROXY_INTERNAL'), { code: 'PROXY_NEW' as ErrorCode })
  expect(errorField(refusal(error)!, 'C')).toBe('XX000')
})

test('the goodbye is 57P01', () => {
  expect(errorField(goodbye, 'C')).toBe('57P01')
  expect(clientMessageFramer(goodbye)).toBe(goodbye.length)
})

test('TLS alerts', () => {
  expect([...tlsAlert(new GatewayError('PROXY_NO_KEY'))]).toEqual([21, 3, 1, 0, 2, 2, 112])
  expect(tlsAlert(new GatewayError('PROXY_INTERNAL'))[6]).toBe(80)
})
