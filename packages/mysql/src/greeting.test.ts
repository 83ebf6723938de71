import { expect, test } from 'vitest'
import { capabilities, offered } from './capabilities.ts'
import { encodeGreeting, mintScramble, parseGreeting } from './greeting.ts'

const greeting = {
  version: '5.5.5-10.11.6-MariaDB',
  connectionId: 0x4000_0011,
  flags: offered([], true),
  scramble: mintScramble(),
  plugin: 'mysql_native_password',
}
const code = (name: string): object => expect.objectContaining({ code: name })

test('a greeting is read as it was written', () => {
  expect(parseGreeting(encodeGreeting(greeting))).toEqual(greeting)
})

test('a greeting of a server that knows no plugins', () => {
  const flags = greeting.flags & ~capabilities.pluginAuth
  const old = encodeGreeting({ ...greeting, flags }).subarray(0, -greeting.plugin.length - 1)
  expect(parseGreeting(old)).toMatchObject({ plugin: '', scramble: greeting.scramble })
})

test('a greeting that is cut short, or of another protocol, is the fault of the backend', () => {
  const whole = encodeGreeting(greeting)
  for (let length = 0; length < whole.length - greeting.plugin.length - 2; length++) {
    expect(() => parseGreeting(whole.subarray(0, length))).toThrow(code('PROXY_BACKEND_PROTOCOL'))
  }
  expect(() => parseGreeting(Buffer.concat([Buffer.of(9), whole.subarray(1)]))).toThrow(code('PROXY_BACKEND_PROTOCOL'))
  const before41 = { ...greeting, flags: greeting.flags & ~capabilities.protocol41 }
  expect(() => parseGreeting(encodeGreeting(before41))).toThrow(code('PROXY_BACKEND_PROTOCOL'))
})

test('scrambles are new each time, and hold neither zeros nor what is no ASCII', () => {
  const all = Array.from({ length: 2_000 }, mintScramble)
  expect(new Set(all.map((scramble) => scramble.toString('hex'))).size).toBe(all.length)
  for (const scramble of all) {
    expect(scramble).toHaveLength(20)
    expect(scramble.every((byte) => byte > 0 && byte < 128)).toBe(true)
  }
})
