import { readFileSync } from 'node:fs'
import { GatewayError } from '@proxy/kernel'
import { fuzzed } from '@proxy/testkit'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { AnswerCount } from './answer-count.ts'
import { agreed, offered } from './capabilities.ts'
import { withoutProof } from './change-user.ts'
import { CommandFilter, type CommandScope } from './command-filter.ts'
import { encodeGreeting, type Greeting, parseGreeting } from './greeting.ts'
import { endsIdle, okEndsIdle } from './idle.ts'
import { killTarget, retarget } from './kill.ts'
import { attributeOf, encodeLogin, isSslRequest, type LoginPacket, parseLogin } from './login.ts'
import { settingsOf } from './options.ts'
import { findRoute } from './routing.ts'
import {
  encodeAuthSwitch,
  encodeError,
  encodePacket,
  errorNumber,
  framerOf,
  okPayload,
  parseAuthSwitch,
} from './wire.ts'

/** Inputs for each part of the codec; all together are above a million. */
const count = Number(process.env['PROXY_FUZZ_INPUTS'] ?? 220_000)
const seed = Number(process.env['PROXY_FUZZ_SEED'] ?? 0)

const captured = (name: string): Buffer => readFileSync(new URL(`__fixtures__/${name}.bin`, import.meta.url))
const logins = ['cli', 'mysql2', 'mariadb'].map((name) => captured(`${name}.login`).subarray(4))
const commands = ['cli', 'mysql2', 'mariadb'].map((name) => captured(`${name}.command`))
const settings = settingsOf({ keys: ['sni', 'user', 'database'], defaultKey: 'default' })

/** Whatever comes, it is taken or refused with a code; an error of our own making would be another class. */
function endure(samples: readonly Buffer[], part: number, take: (bytes: Buffer) => void): number {
  let taken = 0
  for (const bytes of fuzzed(samples, count, seed + part)) {
    try {
      take(bytes)
      taken++
    } catch (error) {
      if (!GatewayError.is(error) || error.code === 'PROXY_INTERNAL') {
        throw new Error(`not endured: ${bytes.toString('hex')}`, { cause: error })
      }
    }
  }
  return taken
}

/** The part of each reader's own: some inputs are taken and some refused, or the test would test nothing. */
function expectBoth(taken: number): void {
  expect(taken).toBeGreaterThan(count / 100)
  expect(taken).toBeLessThan(count)
}

describe('fuzzed', () => {
  const { stackTraceLimit } = Error
  // Most inputs are refused, and most of the time would go into traces that nobody reads.
  beforeAll(() => {
    Error.stackTraceLimit = 0
  })
  afterAll(() => {
    Error.stackTraceLimit = stackTraceLimit
  })

  test('logins', () => {
    const taken = endure(logins, 1, (bytes) => {
      if (isSslRequest(bytes)) return
      const login = parseLogin(bytes)
      findRoute(login, 'alpha.example', settings)
      attributeOf(login, 'program_name')
      const told = encodeLogin({
        ...login,
        flags: agreed(login.flags, [], offered([], true)),
        response: Buffer.alloc(0),
      })
      expectSame(parseLogin(told), login)
    })
    expectBoth(taken)
  })

  test('greetings of backends', () => {
    const greeting = { version: '10.11.6-MariaDB', connectionId: 9, scramble: Buffer.from('abcdefghijklmnopqrst') }
    const samples = ['caching_sha2_password', ''].map((plugin): Greeting => {
      return { ...greeting, flags: offered(['deprecateEof'], true), plugin }
    })
    expectBoth(endure(samples.map(encodeGreeting), 2, (bytes) => void parseGreeting(bytes)))
  })

  test('answers of backends', () => {
    const error = encodeError({ number: 1045, sqlState: '28000', message: 'Access denied' })
    const samples = [encodeAuthSwitch('mysql_native_password', Buffer.alloc(20, 7)), error, okPayload]
    endure(samples, 3, (bytes) => {
      if (parseAuthSwitch(bytes).scramble.length > bytes.length) throw new Error('more came out than went in')
      errorNumber(bytes)
      endsIdle(bytes.subarray(-16))
      okEndsIdle(bytes)
      new AnswerCount().take(bytes)
    })
  })

  test('frames', () => {
    const framer = framerOf('PROXY_MALFORMED')
    const taken = endure(commands, 4, (bytes) => {
      const length = framer(bytes)
      if (length > 4 + (1 << 20)) throw new Error('above the cap')
    })
    expectBoth(taken)
  })

  test('commands', () => {
    const kills = ['KILL QUERY 1073741825', '/* x */ kill 7', 'select 1'].map((text) => query(text))
    const change = encodePacket(0, Buffer.from('\x11app\0\x00alpha\0\x2d\0mysql_native_password\0', 'latin1'))
    const samples = [
      ...kills,
      change,
      encodePacket(0, Buffer.of(0x0c, 1, 0, 0, 0x40)),
      Buffer.concat([...kills, change]),
    ]
    let state = 1
    endure(samples, 5, (bytes) => {
      const filter = new CommandFilter(scope, false)
      let passed = 0
      const port = {
        toBackend: (part: Buffer) => void (passed += part.length),
        toClient: () => undefined,
        end: () => undefined,
      }
      state = (state * 16_807) % 2_147_483_647
      const cut = state % (bytes.length + 1)
      void filter.fromClient(bytes.subarray(0, cut), port)
      void filter.fromClient(bytes.subarray(cut), port)
      if (passed > bytes.length + 8 * 32) throw new Error('more came out than went in')
      const target = killTarget(bytes, 1)
      if (target !== undefined) retarget(bytes, target, 5)
      withoutProof(bytes, scope)
    })
  })
})

const scope: CommandScope = { find: (id) => (id === 7 ? 1_234_567 : undefined), userWithin: (name) => name }

function query(text: string): Buffer {
  return encodePacket(0, Buffer.from(`\x03${text}`, 'latin1'))
}

/** What the backend reads is what was routed by. */
function expectSame(told: LoginPacket, login: LoginPacket): void {
  if (told.user !== login.user || told.database !== login.database) throw new Error('told another login')
}
