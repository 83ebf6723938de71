import { errorCodes, type ErrorCode, GatewayError } from '@proxy/kernel'
import { describe, expect, test } from 'vitest'
import { goodbye, refusal } from './refusals.ts'
import { errorNumber } from './wire.ts'

interface Read {
  readonly sequence: number
  readonly number: number
  readonly sqlState: string
  readonly message: string
}

function read(packet: Buffer): Read {
  expect(packet.readUIntLE(0, 3)).toBe(packet.length - 4)
  const payload = packet.subarray(4)
  expect([payload[0], payload[3]]).toEqual([0xff, 0x23])
  return {
    sequence: packet[3]!,
    number: errorNumber(payload),
    sqlState: payload.toString('latin1', 4, 9),
    message: payload.toString('utf8', 9),
  }
}

describe('refusals', () => {
  test.each<[ErrorCode, number, string]>([
    ['PROXY_RESOLVE_NOT_FOUND', 1049, '42000'],
    ['PROXY_NO_KEY', 1046, '3D000'],
    ['PROXY_RESOLVE_FORBIDDEN', 1045, '28000'],
    ['PROXY_LIMIT_CONNECTIONS', 1040, '08004'],
    ['PROXY_WAKE_QUEUE_FULL', 1040, '08004'],
    ['PROXY_DRAINING', 1053, '08S01'],
    ['PROXY_WAKE_TIMEOUT', 1105, '08S01'],
    ['PROXY_DIAL_REFUSED', 1105, '08S01'],
    ['PROXY_TLS_REQUIRED', 3159, 'HY000'],
    ['PROXY_UNSUPPORTED', 1251, '08004'],
    ['PROXY_MALFORMED', 1043, '08S01'],
    ['PROXY_INTERNAL', 1105, 'HY000'],
  ])('%s is %i (%s)', (code, number, sqlState) => {
    const bytes = refusal(new GatewayError(code), 7)
    expect(read(bytes!)).toMatchObject({ sequence: 7, number, sqlState })
  })

  test('every code has one, or closes', () => {
    const silent = (Object.keys(errorCodes) as ErrorCode[]).filter((code) => !refusal(new GatewayError(code), 0))
    expect(silent).toEqual(['PROXY_CLIENT_GONE', 'PROXY_TLS_HANDSHAKE', 'PROXY_PROXY_HEADER'])
    const future = {
      ...new GatewayError('PROXY_INTERNAL'),
      code: 'PROXY_FUTURE',
      message: 'new',
    } as unknown as GatewayError
    expect(read(refusal(future, 0)!)).toMatchObject({ number: 1105 })
  })

  test('advice comes behind the message', () => {
    const error = new GatewayError('PROXY_NO_KEY', { message: 'No database selected', hint: 'Name one.' })
    expect(read(refusal(error, 2)!).message).toBe('No database selected. Name one.')
  })

  test('a long message is cut between two characters', () => {
    const { message } = read(refusal(new GatewayError('PROXY_INTERNAL', { message: 'ä'.repeat(400) }), 2)!)
    expect(message).toBe('ä'.repeat(256))
    const { message: odd } = read(refusal(new GatewayError('PROXY_INTERNAL', { message: `a${'ä'.repeat(400)}` }), 2)!)
    expect(odd).toBe(`a${'ä'.repeat(255)}`)
  })

  test('the goodbye is the answer to a command', () => {
    expect(read(goodbye)).toMatchObject({ sequence: 1, number: 1053, sqlState: '08S01' })
  })
})
