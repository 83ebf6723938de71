import type { Resolver } from '@proxy/kernel'
import { bites, type Mutant } from '../__fixtures__/bites.ts'
import * as mutants from '../__fixtures__/resolver-mutants.ts'
import { resolverChecks, resolverConformance } from './conformance.ts'
import type { ResolverSubject } from './subject.ts'

const subject: ResolverSubject = {
  resolver: mutants.complete,
  known: [
    { key: 'alpha', endpoint: '10.1.0.1:5432' },
    { key: 'beta', endpoint: '10.1.0.2:5432' },
  ],
  unknown: 'nobody',
  sync: true,
  asleep: 'gamma',
}

resolverConformance({ name: 'a complete resolver', ...subject })

function mutant(check: string, resolver: () => Resolver, says: RegExp): Mutant<ResolverSubject> {
  return { check, fault: resolver.name, says, subject: { ...subject, resolver } }
}

const notFound = 'an unknown key fails with PROXY_RESOLVE_NOT_FOUND, and shows no address'
const hostile = 'hostile keys are answered or refused, never an internal error'

bites(resolverChecks, [
  mutant('known keys resolve to their endpoints', mutants.wrongEndpoint, /endpoint of "alpha"/),
  mutant('the same key has the same backend id every time', mutants.changingId, /rely on the id/),
  mutant('a synchronous resolver answers synchronously', mutants.promised, /is a promise/),
  mutant(notFound, mutants.typeErrors, /must throw a ResolveError/),
  mutant(notFound, mutants.talkative, /internal address/),
  mutant(hostile, mutants.typeErrors, /failed with TypeError/),
  mutant(hostile, mutants.prototypeLookup, /__proto__|constructor|toString/),
  mutant('many questions at once get each their own answer', mutants.mixesUp, /strictly equal/),
  mutant('an aborted question settles, and the next one is answered', mutants.brokenByAbort, /unavailable/),
  mutant('a purged key resolves again', mutants.purgedForGood, /no such tenant/),
  mutant('activity of keys, known or not, is taken without an error', mutants.strictAboutStrangers, /undefined/),
  mutant('stats are a record that survives JSON', mutants.statsOfMaps, /deep/),
  mutant('watch is ended by its disposer, twice without harm', mutants.watchForEver, /return its disposer/),
  mutant('wake makes a backend ready, and its abort ends the wait', mutants.sleepsOn, /ready to be dialled/),
  mutant(
    'close settles, twice without harm, and leaves no handle open',
    mutants.leavesTimer,
    /handles of the resolver/,
  ),
])
