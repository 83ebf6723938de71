import { readFileSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import { type Credentials, credentialsOf, demandProof } from './credentials.ts'
import { nativePlugin, proofFor, type ProofPlugin, provesPassword, sameText, sha2Plugin } from './proofs.ts'

const scramble = Buffer.from('ABCDEFGHIJKLMNOPQRST')
// The same whichever client it was.
const nativeAnswer = readFileSync(new URL('__fixtures__/cli.answer.bin', import.meta.url))
  .subarray(4)
  .toString('hex')
const code = (name: string): Error => expect.objectContaining({ code: name }) as Error

test('the native proof is that of real clients', () => {
  // What the mariadb program, mysql2 and mariadb for Node answer to this scramble with the password "secret".
  expect(proofFor(nativePlugin, 'secret', scramble).toString('hex')).toBe(nativeAnswer)
})

describe.each<ProofPlugin>([nativePlugin, sha2Plugin])('%s', (plugin) => {
  const proof = proofFor(plugin, 'secret', scramble)

  test('proves its password, by its scramble', () => {
    expect(provesPassword(plugin, proof, 'secret', scramble)).toBe(true)
    expect(provesPassword(plugin, proof, 'Secret', scramble)).toBe(false)
    expect(provesPassword(plugin, proof, '', scramble)).toBe(false)
    expect(provesPassword(plugin, proof, 'secret', Buffer.from('TSRQPONMLKJIHGFEDCBA'))).toBe(false)
    expect(provesPassword(plugin, proof.subarray(1), 'secret', scramble)).toBe(false)
  })

  test('nothing proves the empty password, and no other', () => {
    for (const nothing of [Buffer.alloc(0), Buffer.of(0)]) {
      expect(provesPassword(plugin, nothing, '', scramble)).toBe(true)
      expect(provesPassword(plugin, nothing, 'secret', scramble)).toBe(false)
    }
  })
})

test('texts are compared whole', () => {
  expect([sameText('a', 'a'), sameText('a', 'ab'), sameText('', 'a')]).toEqual([true, false, false])
})

describe('credentials', () => {
  test('are the client’s too unless it has its own', () => {
    const own = { user: 'svc', password: 'pw' }
    expect(credentialsOf(own)).toEqual({ backend: own, client: own })
    expect(credentialsOf({ ...own, clientPassword: 'tok' })).toEqual({
      backend: own,
      client: { user: 'svc', password: 'tok' },
    })
    expect(credentialsOf({ ...own, clientUser: 'app', clientPassword: 'tok' })).toEqual({
      backend: own,
      client: { user: 'app', password: 'tok' },
    })
  })

  test('are none without a user and a password', () => {
    for (const metadata of [{}, { user: 'svc' }, { password: 'pw' }, { plan: 'free' }]) {
      expect(credentialsOf(metadata)).toBeUndefined()
    }
  })

  test.each([
    { clientPassword: 'tok' },
    { user: 'svc', clientUser: 'app' },
    { user: 'svc', password: 'pw', clientUser: 'app' },
    { user: 'svc', password: 7 },
    { user: 'svc', password: 'pw', clientUser: 1, clientPassword: 'x' },
  ])('that are incomplete let nobody in: %o', (metadata) => {
    expect(() => credentialsOf(metadata)).toThrow(code('PROXY_RESOLVE_INTERNAL'))
  })

  test('are demanded of the client', () => {
    const { client } = credentialsOf({
      user: 'svc',
      password: 'pw',
      clientUser: 'app',
      clientPassword: 'tok',
    }) as Credentials
    const proof = { plugin: sha2Plugin, response: proofFor(sha2Plugin, 'tok', scramble), scramble } as const
    demandProof(proof, 'app', client)
    expect(() => demandProof(proof, 'svc', client)).toThrow(code('PROXY_RESOLVE_FORBIDDEN'))
    expect(() => demandProof({ ...proof, response: Buffer.alloc(0) }, 'app', client)).toThrow(
      code('PROXY_RESOLVE_FORBIDDEN'),
    )
    const wrong = proofFor(sha2Plugin, 'pw', scramble)
    expect(() => demandProof({ ...proof, response: wrong }, 'app', client)).toThrow(code('PROXY_RESOLVE_FORBIDDEN'))
  })
})
