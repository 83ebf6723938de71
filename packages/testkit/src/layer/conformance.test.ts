import type { Layer } from '@proxy/kernel'
import { bites, type Mutant } from '../__fixtures__/bites.ts'
import * as mutants from '../__fixtures__/layer-mutants.ts'
import { layerChecks, layerConformance } from './conformance.ts'
import type { LayerSubject } from './subject.ts'

layerConformance({ layer: mutants.counting })

const mutant = (check: string, fault: string, layer: () => Layer, says: RegExp): Mutant<LayerSubject> => ({
  check,
  fault,
  says,
  subject: { layer },
})

bites(layerChecks, [
  mutant('a layer has a name, and wraps or observes something', 'idle', mutants.idle, /neither wraps/),
  mutant('a layer has a name, and wraps or observes something', 'singleton', mutants.singleton, /new instance/),
  mutant(
    'a layer that was never used is disposed of without a trace',
    'leavesHook',
    mutants.leavesHook,
    /hooks are still listened to/,
  ),
  mutant(
    'a layer that was never used is disposed of without a trace',
    'leavesTimer',
    mutants.leavesTimer,
    /timers are left/,
  ),
  mutant('a layer is set up again after it was disposed of', 'closedForGood', mutants.closedForGood, /internal error/),
  mutant('stats survive JSON, before setup and after use', 'deepStats', mutants.deepStats, /what JSON makes/),
  mutant(
    'stats are bounded, however many keys there were',
    'endlessStats',
    mutants.endlessStats,
    /stats of 2,000 keys take/,
  ),
  mutant('a synchronous answer is handed on as it is', 'alwaysAsync', mutants.alwaysAsync, /came as a promise/),
  mutant('a synchronous answer is handed on as it is', 'copies', mutants.copies, /another one/),
  mutant('an asynchronous answer is handed on', 'copies', mutants.copies, /another one/),
  mutant('resolve asks once, with the request that it was given', 'asksTwice', mutants.asksTwice, /deep/),
  mutant('resolve asks once, with the request that it was given', 'rewritesKey', mutants.rewritesKey, /deep/),
  mutant('errors of resolve are passed on unchanged', 'wrapsErrors', mutants.wrapsErrors, /thrown at once came out/),
  mutant('errors of resolve are passed on unchanged', 'wrapsRejections', mutants.wrapsRejections, /rejection came out/),
  mutant('an abort ends the wait for an answer', 'dropsSignal', mutants.dropsSignal, /waited in vain/),
  mutant('a caller that leaves does not take others along', 'sharedFate', mutants.sharedFate, /has left/),
  mutant('instances share no answers', 'moduleCache', mutants.moduleCache, /another one was told/),
  mutant('a connection is handed on as it is, after one dial', 'dialsTwice', mutants.dialsTwice, /one dial/),
  mutant(
    'errors of dial are passed on unchanged',
    'wrapsDialErrors',
    mutants.wrapsDialErrors,
    /cannot be reached|strictly equal|reference-equal/,
  ),
  mutant('an abort ends the wait for a connection', 'dialsWithoutSignal', mutants.dialsWithoutSignal, /waited in vain/),
  mutant(
    'a connection that comes too late is closed or handed on, never lost',
    'losesLateConnections',
    mutants.losesLateConnections,
    /left open/,
  ),
])
