import { describe, expect, test } from 'vitest'
import { killTarget, mayKill, retarget } from './kill.ts'

const query = (text: string): Buffer => Buffer.from(`\x03${text}`, 'latin1')

describe('a KILL is found', () => {
  test.each([
    'KILL 17',
    'kill query 17',
    'Kill Connection 17;',
    '  \n\tKILL   QUERY\t17 ',
    '/* tool */ KILL 17',
    '/* a */ /* b */ -- c\n# d\nKILL/**/QUERY/**/17/* e */',
    'KILL HARD QUERY 17',
    'kill soft 17',
  ])('%s', (text) => {
    expect(mayKill(text.charCodeAt(0))).toBe(true)
    const target = killTarget(query(text), 1)
    expect(target).toMatchObject({ id: 17 })
    expect(retarget(query(text), target!, 1_234).toString('latin1', 1)).toBe(text.replace('17', '1234'))
  })

  test('as a command of its own', () => {
    const command = Buffer.of(0x0c, 17, 0, 0, 0x40)
    const target = killTarget(command, 1)!
    expect(target.id).toBe(0x4000_0011)
    expect(retarget(command, target, 5)).toEqual(Buffer.of(0x0c, 5, 0, 0, 0))
  })
})

describe('what is none is left alone', () => {
  test.each([
    'select 17',
    'killer 17',
    'kill query id 17',
    'kill user demo',
    'kill connection_id()',
    'kill 17x',
    'kill 17.5',
    'kill 12345678901',
    'kill',
    'kill /*! 17 */',
    '/*! kill 17 */',
    '-- kill 17',
    '/* kill 17',
    '',
  ])('%s', (text) => expect(killTarget(query(text), 1)).toBeUndefined())

  test('a command that is cut short', () => expect(killTarget(Buffer.of(0x0c, 1, 2), 1)).toBeUndefined())
})

test('a statement of nothing but comments takes no time', () => {
  const text = `${'/* */ '.repeat(600)}select 1`
  for (let i = 0; i < 2_000; i++) expect(killTarget(query(text), 1)).toBeUndefined()
})
