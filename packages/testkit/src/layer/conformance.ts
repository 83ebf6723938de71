import assert from 'node:assert/strict'
import { type Check, register, type Skips } from '../check.ts'
import { dialChecks } from './dial-checks.ts'
import { resolveChecks } from './resolve-checks.ts'
import { benched, type LayerSubject, make, setup } from './subject.ts'

const lifeChecks: readonly Check<LayerSubject>[] = [
  {
    name: 'a layer has a name, and wraps or observes something',
    run: async (subject) => {
      const layer = subject.layer()
      assert.match(layer.name, /\S/)
      const does = [layer.resolve, layer.dial, layer.setup].some((method) => method !== undefined)
      assert.ok(does, 'the layer neither wraps resolve or dial nor has a setup')
      assert.notEqual(subject.layer(), layer, 'layer() must make a new instance at each call')
    },
  },
  {
    name: 'a layer that was never used is disposed of without a trace',
    run: (subject) => benched(subject, () => undefined),
  },
  {
    name: 'a layer is set up again after it was disposed of',
    run: async (subject) => {
      const bench = make(subject)
      setup(subject, bench)?.()
      const dispose = setup(subject, bench)
      if (bench.resolve !== undefined) {
        const answer = await bench.resolve(() => bench.backend)(bench.request(), new AbortController().signal)
        assert.equal(answer, bench.backend)
      }
      dispose?.()
    },
  },
]

/** Every rule of the contract of `Layer`. Each also demands that a disposed layer leaves no hook and no timer. */
export const layerChecks: readonly Check<LayerSubject>[] = [...lifeChecks, ...resolveChecks, ...dialChecks]

export interface LayerConformance extends LayerSubject {
  /** Title of the suite. Default: the layer's name and `conformance`. */
  readonly name?: string | undefined
  readonly skip?: Skips | undefined
}

/** Registers one vitest test for each rule; those of `resolve` and of `dial` where the layer wraps it. */
export function layerConformance(options: LayerConformance): void {
  const { name, resolve, dial } = options.layer()
  const checks = [
    ...lifeChecks,
    ...(resolve === undefined ? [] : resolveChecks),
    ...(dial === undefined ? [] : dialChecks),
  ]
  register(options.name ?? `${name} conformance`, checks, options, options.skip)
}
