import { describe, expect, test } from 'vitest'
import { endsIdle, okEndsIdle } from './idle.ts'
import { encodeError, encodePacket, okPayload } from './wire.ts'

const autocommit = 0x0002

function eof(status: number, sequence = 5): Buffer {
  return encodePacket(sequence, Buffer.of(0xfe, 0, 0, status & 0xff, status >>> 8))
}

function ok(status: number, affected: readonly number[] = [0], kind = 0): Buffer {
  return encodePacket(1, Buffer.of(kind, ...affected, 0, status & 0xff, status >>> 8, 0, 0))
}

/** As the relay shows it: the last sixteen bytes behind whatever came before. */
const tail = (bytes: Buffer): Buffer => Buffer.concat([Buffer.alloc(16, 0x61), bytes]).subarray(-16)

describe('an answer ends idle', () => {
  test.each([
    ['an EOF packet', eof(autocommit)],
    ['an OK packet', ok(autocommit)],
    ['the OK of a login', encodePacket(2, okPayload)],
    ['an OK packet with many rows', ok(0, [0xfd, 1, 2, 3])],
    ['an OK packet in place of an EOF', ok(autocommit, [0], 0xfe)],
    ['a cursor with all of its rows sent', eof(0x0080 | 0x0040)],
  ])('with %s', (_, bytes) => expect(endsIdle(tail(bytes))).toBe(true))
})

describe('an answer does not end idle', () => {
  test.each([
    ['in a transaction', eof(autocommit | 0x0001)],
    ['in a transaction, said in an OK packet', ok(0x0001)],
    ['with more results to come', eof(autocommit | 0x0008)],
    ['with a cursor open', eof(0x0040)],
    [
      'with an error, which says nothing of transactions',
      encodePacket(1, encodeError({ number: 1064, sqlState: '42000', message: 'no' })),
    ],
    ['with a row', encodePacket(7, Buffer.from('\x05hello', 'latin1'))],
    ['with half an EOF packet', eof(autocommit).subarray(0, 8)],
    ['with nothing', Buffer.alloc(0)],
  ])('%s', (_, bytes) => expect(endsIdle(tail(bytes))).toBe(false))

  test('where less than a packet has come', () => {
    for (let length = 0; length < 9; length++) expect(endsIdle(eof(autocommit).subarray(0, length))).toBe(false)
  })
})

describe('an OK packet with a text', () => {
  const updated = (status: number): Buffer =>
    encodePacket(
      1,
      Buffer.concat([Buffer.of(0, 3, 0, status, 0, 0, 0), Buffer.from('(Rows matched: 3  Changed: 3  Warnings: 0')]),
    )

  test('says itself whether a transaction is open', () => {
    expect(okEndsIdle(updated(autocommit))).toBe(true)
    expect(okEndsIdle(updated(autocommit | 0x0001))).toBe(false)
  })

  test.each([
    ['a part of one', updated(autocommit).subarray(0, 20)],
    ['the answer to a prepared statement', encodePacket(1, Buffer.of(0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0))],
    ['an error', encodePacket(1, encodeError({ number: 1064, sqlState: '42000', message: 'no' }))],
    ['a result', Buffer.concat([encodePacket(1, Buffer.of(1)), eof(autocommit)])],
    ['two packets', Buffer.concat([ok(autocommit), ok(autocommit)])],
    ['numbers that run out of it', encodePacket(1, Buffer.of(0, 0xfe, 0, 0, 0, 0, 0))],
  ])('is not %s', (_, bytes) => expect(okEndsIdle(bytes)).toBeUndefined())
})
