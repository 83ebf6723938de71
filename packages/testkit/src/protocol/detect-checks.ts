import assert from 'node:assert/strict'
import fc from 'fast-check'
import type { Protocol } from '@proxy/kernel'
import { show } from '../bytes.ts'
import type { Check } from '../check.ts'
import { garbage } from '../fuzz.ts'
import { foreignOpenings } from './foreign-openings.ts'
import { openings, type ProtocolSubject } from './subject.ts'

type Verdict = boolean | undefined

function verdict(protocol: Protocol, prefix: Buffer): Verdict {
  let answer: unknown
  try {
    answer = protocol.detect?.(prefix)
  } catch (error) {
    throw new Error(`detect threw on ${show(prefix)}`, { cause: error })
  }
  assert.ok(answer === true || answer === false || answer === undefined, `detect answered ${String(answer)}`)
  return answer
}

/** Once decided, more bytes must not change the answer. */
function demandSteady(protocol: Protocol, bytes: Buffer): Verdict {
  let decided: Verdict
  for (let length = 0; length <= bytes.length; length++) {
    const prefix = Buffer.from(bytes.subarray(0, length))
    const answer = verdict(protocol, prefix)
    if (decided !== undefined) assert.equal(answer, decided, `detect changed its mind at ${show(prefix)}`)
    decided = answer
  }
  return decided
}

const withoutDetect = (subject: ProtocolSubject): string | undefined =>
  subject.protocol().detect === undefined ? 'the protocol has no detect' : undefined

/** Checks of `detect`. */
export const detectChecks: readonly Check<ProtocolSubject>[] = [
  {
    name: 'a protocol says what it is: api, name, who speaks first',
    run: async (subject) => {
      const protocol = subject.protocol()
      assert.equal(protocol.api, 1)
      assert.match(protocol.name, /^[a-z][a-z0-9-]*$/, 'the name must be lower case')
      assert.ok(['client', 'server'].includes(protocol.speaksFirst))
      assert.notEqual(subject.protocol(), protocol, 'protocol() must make a new instance at each call')
      if (protocol.speaksFirst === 'server') {
        assert.equal(protocol.detect, undefined, 'a protocol whose server speaks first cannot be detected')
      }
    },
  },
  {
    name: 'detect recognises its own fixtures, and is steady',
    unless: withoutDetect,
    run: async (subject) => {
      const protocol = subject.protocol()
      if (protocol.detect === undefined) return
      for (const opening of openings(subject)) {
        assert.equal(demandSteady(protocol, opening), true, `detect must recognise ${show(opening)}`)
      }
    },
  },
  {
    name: 'detect never throws: prefixes of other protocols, garbage',
    unless: withoutDetect,
    run: async (subject) => {
      const protocol = subject.protocol()
      if (protocol.detect === undefined) return
      for (const opening of foreignOpenings) demandSteady(protocol, Buffer.from(opening))
      fc.assert(fc.property(garbage(openings(subject)), (bytes) => void demandSteady(protocol, bytes)))
    },
  },
]
