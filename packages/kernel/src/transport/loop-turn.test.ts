import { setImmediate as nextTurn } from 'node:timers/promises'
import { expect, it } from 'vitest'
import { type HeldWriter, LoopTurn } from './loop-turn.ts'

class Writer implements HeldWriter {
  readonly #name: string
  readonly #log: string[]

  constructor(name: string, log: string[]) {
    this.#name = name
    this.#log = log
  }

  sendHeld(lent: Buffer, length: number): void {
    this.#log.push(`${this.#name} ${lent.toString('latin1', 0, length)}`)
  }
}

function turnOfTwo(): { turn: LoopTurn; log: string[]; one: Writer; two: Writer } {
  const log: string[] = []
  return { turn: new LoopTurn(), log, one: new Writer('one', log), two: new Writer('two', log) }
}

it('sends copies in order when the turn is over, and as one what a writer says twice in a row', async () => {
  const { turn, log, one, two } = turnOfTwo()
  const bytes = Buffer.from('a')
  turn.write(one, bytes)
  bytes.write('b')
  turn.write(one, bytes)
  turn.write(two, '\xe9')
  turn.write(one, bytes)
  expect(log).toEqual([])
  await nextTurn()
  expect(log).toEqual(['one ab', 'two \xe9', 'one b'])
})

it('sends at once when asked to', () => {
  const { turn, log, one } = turnOfTwo()
  turn.write(one, 'a')
  turn.flush()
  expect(log).toEqual(['one a'])
})

it('holds no more than 4 KiB of one, nor of more than 16', () => {
  const { turn, log, one, two } = turnOfTwo()
  expect(turn.write(one, Buffer.alloc(4_097))).toBe(false)
  turn.write(one, Buffer.alloc(4_096))
  for (let count = 1; count < 16; count++) turn.write(count % 2 === 0 ? one : two, Buffer.alloc(4_096))
  expect(log).toHaveLength(0)
  turn.write(one, 'a')
  expect(log).toHaveLength(16)
})

it('leaves alone what comes alone, until two come together', async () => {
  const { turn, log, one, two } = turnOfTwo()
  const held: boolean[] = []
  for (let count = 0; count < 9; count++) {
    held.push(turn.write(one, 'a'))
    await nextTurn()
  }
  expect(held).toEqual([true, false, true, false, false, true, false, false, false])
  while (!turn.write(one, 'a'));
  turn.write(two, 'a')
  await nextTurn()
  expect(turn.write(one, 'a')).toBe(true)
  await nextTurn()
  expect(log.at(-1)).toBe('one a')
})

it('dials when the turn is over, behind the writes', async () => {
  const { turn, log, one } = turnOfTwo()
  turn.dial({ begin: () => log.push('dial') })
  turn.write(one, 'a')
  expect(log).toEqual([])
  await nextTurn()
  expect(log).toEqual(['one a', 'dial'])
})

it('dials sixteen at once, and a lone one without waiting', async () => {
  const { turn, log } = turnOfTwo()
  for (let count = 0; count < 16; count++) turn.dial({ begin: () => log.push('dial') })
  expect(log).toHaveLength(16)
  await nextTurn()
  turn.dial({ begin: () => log.push('held') })
  await nextTurn()
  turn.dial({ begin: () => log.push('lone') })
  expect(log.at(-1)).toBe('lone')
})

it('waits for a batch while connections come in, and not for ever', async () => {
  const { turn, log, one } = turnOfTwo()
  turn.write(one, 'a')
  for (let count = 0; count < 8; count++) {
    turn.accepted()
    await nextTurn()
    expect(log).toEqual([])
  }
  turn.accepted()
  await nextTurn()
  expect(log).toEqual(['one a'])
})
