import { everySplit } from '@proxy/testkit'
import { describe, expect, test } from 'vitest'
import { CommandFilter, type CommandScope } from './command-filter.ts'

type FindTarget = CommandScope['find']
import { encodePacket, okPayload, unknownPlugin } from './wire.ts'

class Backend {
  readonly #parts: Buffer[] = []

  toBackend(bytes: Buffer): void {
    this.#parts.push(Buffer.from(bytes))
  }

  toClient(): void {
    throw new Error('nothing is for the client')
  }

  end(): void {
    throw new Error('no reason to end')
  }

  get received(): Buffer {
    return Buffer.concat(this.#parts)
  }
}

const finds: FindTarget = (id) => (id === 1_073_741_825 ? 42 : undefined)
const query = (text: string, sequence = 0): Buffer => encodePacket(sequence, Buffer.from(`\x03${text}`, 'latin1'))

interface Setting {
  readonly find?: FindTarget
  readonly user?: (user: string) => string
  readonly queryAttributes?: boolean
}

async function passed(
  pieces: readonly Buffer[],
  { find = finds, user, queryAttributes = false }: Setting = {},
): Promise<Buffer> {
  const filter = new CommandFilter({ find, userWithin: user ?? ((name) => name) }, queryAttributes)
  const backend = new Backend()
  for (const piece of pieces) await filter.fromClient(piece, backend)
  return backend.received
}

/** At every cut, in one piece and byte by byte. */
async function becomes(sent: Buffer, expected: Buffer, setting?: Setting): Promise<void> {
  expect(await passed([sent], setting)).toEqual(expected)
  expect(
    await passed(
      Array.from(sent, (byte) => Buffer.of(byte)),
      setting,
    ),
  ).toEqual(expected)
  for (const pieces of everySplit(sent)) expect(await passed(pieces, setting)).toEqual(expected)
}

const changeUser = (user: string, auth: string, plugin: string): Buffer =>
  encodePacket(0, Buffer.from(`\x11${user}\0${auth}alpha\0\x2d\0${plugin}\0\x04\x01a\x01b`, 'latin1'))

describe('the command filter', () => {
  test('passes everything else as it is', async () => {
    const all = [
      query('select 1'),
      query('KILL 7'),
      query('KILL QUERY 1073741826'),
      encodePacket(0, Buffer.of(0x0e)),
      encodePacket(3, Buffer.from('\x03KILL 1073741825', 'latin1')),
      encodePacket(0, Buffer.alloc(70_000, 0x20)),
      encodePacket(5, Buffer.alloc(0)),
      query('k'),
      encodePacket(0, Buffer.of(0x03)),
    ]
    const sent = Buffer.concat(all)
    expect(await passed([sent])).toEqual(sent)
    expect(
      await passed(Array.from({ length: Math.ceil(sent.length / 7) }, (_, i) => sent.subarray(i * 7, i * 7 + 7))),
    ).toEqual(sent)
    for (const packet of all) if (packet.length < 1_000) await becomes(packet, packet)
  })

  test('puts the id that the server knows into a KILL', async () => {
    const sent = [query('select 1'), query('/* x */ kill query 1073741825;'), query('select 2')]
    await becomes(Buffer.concat(sent), Buffer.concat([sent[0]!, query('/* x */ kill query 42;'), sent[2]!]))
  })

  test('and into COM_PROCESS_KILL and a prepared KILL', async () => {
    const process = encodePacket(0, Buffer.of(0x0c, 1, 0, 0, 0x40))
    const prepared = encodePacket(0, Buffer.from('\x16KILL 1073741825', 'latin1'))
    const expected = [
      encodePacket(0, Buffer.of(0x0c, 42, 0, 0, 0)),
      encodePacket(0, Buffer.from('\x16KILL 42', 'latin1')),
    ]
    await becomes(Buffer.concat([process, prepared]), Buffer.concat(expected))
  })

  test('waits for another worker, and lets nothing overtake', async () => {
    const later: FindTarget = async (id) => finds(id)
    const sent = [query('KILL 1073741825'), query('KILL 1073741826'), query('select 1')]
    await becomes(Buffer.concat(sent), Buffer.concat([query('KILL 42'), sent[1]!, sent[2]!]), { find: later })
  })

  test('reads behind the attributes of a query', async () => {
    const text = (id: string): Buffer => encodePacket(0, Buffer.from(`\x03\0\x01KILL ${id}`, 'latin1'))
    await becomes(text('1073741825'), text('42'), { queryAttributes: true })
  })

  test('takes the proof out of COM_CHANGE_USER, so that the server asks for one', async () => {
    const sent = changeUser('alpha.app', `\x14${'x'.repeat(20)}`, 'mysql_native_password')
    const user = (name: string): string => name.replace('alpha.', '')
    await becomes(sent, changeUser('app', '\0', unknownPlugin), { user })
  })

  test('leaves a COM_CHANGE_USER that makes no sense to the server', async () => {
    const sent = encodePacket(0, Buffer.from('\x11app\0\xff', 'latin1'))
    await becomes(sent, sent)
  })

  test('takes no packet of a longer run for a command, though it is numbered 0', async () => {
    const run = [254, 255, 0, 1].map((sequence) => query('KILL 1073741825', sequence))
    const sent = Buffer.concat(run)
    expect(await passed([sent])).toEqual(sent)
  })

  test('holds no more back than may be of interest', async () => {
    const filter = new CommandFilter({ find: finds, userWithin: (user) => user }, false)
    const backend = new Backend()
    const long = encodePacket(0, Buffer.from(`\x03/*${' '.repeat(1_000_000)}`, 'latin1'))
    await filter.fromClient(long.subarray(0, 500_000), backend)
    expect(backend.received.length).toBe(500_000)
  })
})

describe('a session is quiet', () => {
  const ok = encodePacket(1, okPayload)
  const begin = (): {
    filter: CommandFilter
    says(answer: Buffer): boolean
    does(...sent: Buffer[]): Promise<void>
  } => {
    const filter = new CommandFilter({ find: finds, userWithin: (user) => user }, false)
    const port = { toBackend: () => undefined, toClient: () => undefined, end: () => undefined }
    return {
      filter,
      says: (answer) => (filter.fromBackend(answer, port), filter.quiet(answer.subarray(-16))),
      does: async (...sent) => filter.fromClient(Buffer.concat(sent), port),
    }
  }
  const eof = encodePacket(3, Buffer.of(0xfe, 0, 0, 2, 0))
  const result = Buffer.concat([encodePacket(1, Buffer.of(1)), encodePacket(2, Buffer.from('column')), eof])

  test('from its login on', () => expect(begin().says(encodePacket(2, okPayload))).toBe(true))

  test('behind the answer to its command', async () => {
    const { does, says } = begin()
    await does(query('select 1'))
    expect(says(result.subarray(0, 12))).toBe(false)
    expect(says(result.subarray(12))).toBe(true)
  })

  test('not before the last of several commands is answered', async () => {
    const { does, says } = begin()
    await does(query('select 1'), query('KILL 1073741825'), query('select sleep(9)'))
    expect(says(result)).toBe(false)
    expect(says(ok)).toBe(false)
    await does(query('select 2'))
    expect(says(result)).toBe(false)
    expect(says(result)).toBe(true)
  })

  test('whatever has no answer', async () => {
    const { does, says } = begin()
    const [close, data] = [0x19, 0x18].map((command) => encodePacket(0, Buffer.of(command, 1, 0, 0, 0)))
    await does(close!, data!, query('select 1'), close!)
    expect(says(result)).toBe(true)
  })

  test('behind an answer in which a packet was cut anywhere', async () => {
    const whole = Buffer.concat([result, result])
    for (const [one, other] of everySplit(whole)) {
      const { does, says, filter } = begin()
      await does(query('select 1'), query('select 2'))
      if (one.length < result.length) expect(says(one)).toBe(false)
      else says(one)
      says(other)
      expect(filter.quiet(whole.subarray(-16))).toBe(true)
    }
  })
})
