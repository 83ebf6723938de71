import assert from 'node:assert/strict'
import { GatewayError, type Resolver } from '@proxy/kernel'
import type { Check } from '../check.ts'
import { within } from '../waiting.ts'
import { endpointText, never, requestFor, resolved, type ResolverSubject, withResolver } from './subject.ts'

/** Keys as an attacker would choose them. */
const hostileKeys: readonly string[] = [
  '',
  ' ',
  '.',
  '..',
  '../../etc/passwd',
  '*',
  '%00',
  'a\u0000b',
  'a\r\nb',
  "'; drop table tenants; --",
  '__proto__',
  'constructor',
  'toString',
  'hasOwnProperty',
  '\u{1f600}',
  'x'.repeat(10_000),
]

async function failureFor(resolver: Resolver, key: string): Promise<Error | undefined> {
  try {
    await resolved(resolver, key)
    return undefined
  } catch (error) {
    return error instanceof Error ? error : new Error(`threw ${typeof error}`)
  }
}

function demandNoEndpoints(subject: ResolverSubject, error: GatewayError): void {
  const said = `${error.message} ${error.hint ?? ''}`
  for (const { endpoint } of subject.known) {
    assert.ok(!said.includes(endpoint), `the message shows an internal address: ${said}`)
  }
}

/** Checks of `resolve`. */
export const answerChecks: readonly Check<ResolverSubject>[] = [
  {
    name: 'known keys resolve to their endpoints',
    run: (subject) =>
      withResolver(subject, async (resolver) => {
        assert.ok(subject.known.length > 0, 'give at least one known key')
        assert.match(resolver.name, /\S/)
        for (const { key, endpoint } of subject.known) {
          const { endpoints } = await resolved(resolver, key)
          assert.equal(endpoints[0] === undefined ? '' : endpointText(endpoints[0]), endpoint, `endpoint of "${key}"`)
        }
      }),
  },
  {
    name: 'the same key has the same backend id every time',
    run: (subject) =>
      withResolver(subject, async (resolver) => {
        for (const { key } of subject.known) {
          const [one, two] = [await resolved(resolver, key), await resolved(resolver, key)]
          assert.equal(one.id, two.id, 'pools, circuits and wake flights rely on the id')
        }
      }),
  },
  {
    name: 'a synchronous resolver answers synchronously',
    unless: ({ sync }) => (sync === true ? undefined : 'the resolver is not said to be synchronous'),
    run: (subject) =>
      withResolver(subject, async (resolver) => {
        if (subject.sync !== true) return
        for (const { key } of subject.known) {
          const answer = resolver.resolve(requestFor(key), never)
          assert.ok(!(answer instanceof Promise), `the answer for "${key}" is a promise`)
        }
      }),
  },
  {
    name: 'an unknown key fails with PROXY_RESOLVE_NOT_FOUND, and shows no address',
    unless: ({ unknown }) => (unknown === undefined ? 'every key is known' : undefined),
    run: (subject) =>
      withResolver(subject, async (resolver) => {
        if (subject.unknown === undefined) return
        const error = await failureFor(resolver, subject.unknown)
        assert.ok(GatewayError.is(error), `must throw a ResolveError, not ${String(error)}`)
        assert.equal(error.code, 'PROXY_RESOLVE_NOT_FOUND')
        demandNoEndpoints(subject, error)
      }),
  },
  {
    name: 'hostile keys are answered or refused, never an internal error',
    run: (subject) =>
      withResolver(subject, async (resolver) => {
        for (const key of hostileKeys) {
          const error = await failureFor(resolver, key)
          const shown = JSON.stringify(key.slice(0, 30))
          if (error === undefined) {
            assert.equal(subject.unknown, undefined, `${shown} was resolved`)
            continue
          }
          const coded =
            GatewayError.is(error) && error.code !== 'PROXY_RESOLVE_INTERNAL' && error.code !== 'PROXY_INTERNAL'
          assert.ok(coded, `${shown} failed with ${String(error)}`)
          demandNoEndpoints(subject, error)
        }
      }),
  },
  {
    name: 'many questions at once get each their own answer',
    run: (subject) =>
      withResolver(subject, async (resolver) => {
        const questions = Array.from({ length: 200 }, (_, index) => subject.known[index % subject.known.length])
        const answers = questions.map(async (known) => {
          assert.ok(known !== undefined)
          const { endpoints } = await resolved(resolver, known.key)
          assert.equal(endpoints[0] === undefined ? '' : endpointText(endpoints[0]), known.endpoint)
        })
        await Promise.all(answers)
      }),
  },
  {
    name: 'an aborted question settles, and the next one is answered',
    run: (subject) =>
      withResolver(subject, async (resolver) => {
        const [known] = subject.known
        if (known === undefined) return
        const abort = new AbortController()
        const asked = (async () => resolver.resolve(requestFor(known.key), abort.signal))()
        abort.abort(new GatewayError('PROXY_CLIENT_GONE'))
        await within(
          asked.catch(() => undefined),
          'the aborted question to settle',
        )
        const { endpoints } = await resolved(resolver, known.key)
        assert.equal(endpoints[0] === undefined ? '' : endpointText(endpoints[0]), known.endpoint)
      }),
  },
]
