import assert from 'node:assert/strict'
import { backend, GatewayError, type Resolver } from '@proxy/kernel'
import type { Check } from '../check.ts'
import { settle, until, within } from '../waiting.ts'
import { endpointText, never, resolved, type ResolverSubject, withResolver } from './subject.ts'

/** What keeps a process alive, beside what the test runner has. */
function handles(): string[] {
  const ignored = new Set(['Immediate', 'TickObject', 'CloseReq'])
  return process.getActiveResourcesInfo().filter((kind) => !ignored.has(kind))
}

async function useEverything(resolver: Resolver, subject: ResolverSubject): Promise<void> {
  for (const { key } of subject.known) {
    const { metadata } = await resolved(resolver, key)
    resolver.onConnect?.(key, metadata)
    resolver.track?.(key, metadata)
    resolver.onDisconnect?.(key, metadata)
    await resolver.purge?.(key)
  }
}

/** Checks of the optional methods; each has nothing to do where they are not there. */
export const optionalChecks: readonly Check<ResolverSubject>[] = [
  {
    name: 'a purged key resolves again',
    run: (subject) =>
      withResolver(subject, async (resolver) => {
        for (const { key, endpoint } of subject.known) {
          await resolved(resolver, key)
          await resolver.purge?.(key)
          const { endpoints } = await resolved(resolver, key)
          assert.equal(endpoints[0] === undefined ? '' : endpointText(endpoints[0]), endpoint)
        }
        await resolver.purge?.(subject.unknown ?? 'no such key')
      }),
  },
  {
    name: 'activity of keys, known or not, is taken without an error',
    run: (subject) =>
      withResolver(subject, async (resolver) => {
        await useEverything(resolver, subject)
        const strange = subject.unknown ?? 'no such key'
        resolver.onConnect?.(strange, {})
        resolver.track?.(strange, {})
        resolver.onDisconnect?.(strange, {})
        resolver.onDisconnect?.(strange, {})
      }),
  },
  {
    name: 'stats are a record that survives JSON',
    run: (subject) =>
      withResolver(subject, async (resolver) => {
        if (resolver.stats === undefined) return
        await useEverything(resolver, subject)
        const stats = resolver.stats()
        assert.deepEqual(JSON.parse(JSON.stringify(stats)), stats)
      }),
  },
  {
    name: 'watch is ended by its disposer, twice without harm',
    run: (subject) =>
      withResolver(subject, async (resolver) => {
        if (resolver.watch === undefined) return
        const dispose = resolver.watch(() => undefined)
        assert.equal(typeof dispose, 'function', 'watch must return its disposer')
        dispose()
        dispose()
      }),
  },
  {
    name: 'wake makes a backend ready, and its abort ends the wait',
    unless: ({ asleep }) => (asleep === undefined ? 'no key is asleep' : undefined),
    run: (subject) =>
      withResolver(subject, async (resolver) => {
        if (resolver.wake === undefined || subject.asleep === undefined) return
        const asleep = await resolved(resolver, subject.asleep)
        assert.equal(asleep.state, 'asleep', `"${subject.asleep}" must be asleep`)
        const abort = new AbortController()
        const aborted = resolver.wake(asleep, abort.signal)
        abort.abort(new GatewayError('PROXY_WAKE_TIMEOUT'))
        await within(
          aborted.catch(() => undefined),
          'the aborted wake to settle',
        )
        const awake = backend(await within(resolver.wake(asleep, never), 'the backend to wake'))
        assert.equal(awake.state, 'ready', 'what wake answers must be ready to be dialled')
      }),
  },
  {
    name: 'close settles, twice without harm, and leaves no handle open',
    run: async (subject) => {
      await settle()
      const before = handles()
      const resolver = await subject.resolver()
      await useEverything(resolver, subject)
      await within(Promise.resolve(resolver.close?.()), 'close')
      await within(Promise.resolve(resolver.close?.()), 'the second close')
      await until(
        () => handles().length <= before.length,
        () => `the handles of the resolver to close; before: ${before.join(' ')}; now: ${handles().join(' ')}`,
      )
    },
  },
]
