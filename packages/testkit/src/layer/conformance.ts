import assert from 'node:assert/strict'
import type { Layer } from '@proxy/kernel'
import { type Check, register, type Skips } from '../check.ts'
import { dialChecks } from './dial-checks.ts'
import { resolveChecks } from './resolve-checks.ts'
import { benched, dialled, type LayerSubject, make, never, setup } from './subject.ts'

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

/** Checks of `Layer.stats`; they have nothing to do where there is none. */
const statsChecks: readonly Check<LayerSubject>[] = [
  {
    name: 'stats survive JSON, before setup and after use',
    run: async (subject) => {
      demandJson(subject.layer())
      await benched(subject, async ({ layer, resolve, dial, backend, request, dialRequest }) => {
        await resolve?.(() => backend)(request(), never)
        await dial?.(async (seen) => dialled(seen))(dialRequest(), never)
        demandJson(layer)
      })
    },
  },
  {
    name: 'stats are bounded, however many keys there were',
    run: (subject) =>
      benched(subject, async ({ layer, resolve, dial, backend, request, dialRequest }) => {
        for (let index = 0; index < 2_000; index++) {
          const one = Object.freeze({ ...backend, id: `backend-${index}` })
          const key = `key-${index}`
          await resolve?.(() => one)(request({ key }), never)
          await dial?.(async (seen) => dialled(seen))(dialRequest({ backend: one, key }), never)
        }
        const { length } = JSON.stringify(layer.stats?.() ?? {})
        assert.ok(length < 200_000, `the stats of 2,000 keys take ${length} characters`)
      }),
  },
]

function demandJson(layer: Layer): void {
  const stats = layer.stats?.()
  if (stats === undefined) return
  assert.deepEqual(JSON.parse(JSON.stringify(stats)), stats, 'the stats are not what JSON makes of them')
}

/** Every rule of the contract of `Layer`. Each also demands that a disposed layer leaves no hook and no timer. */
export const layerChecks: readonly Check<LayerSubject>[] = [
  ...lifeChecks,
  ...statsChecks,
  ...resolveChecks,
  ...dialChecks,
]

export interface LayerConformance extends LayerSubject {
  /** Title of the suite. Default: the layer's name and `conformance`. */
  readonly name?: string | undefined
  readonly skip?: Skips | undefined
}

/** Registers one vitest test for each rule; those of `stats`, `resolve` and `dial` where the layer has it. */
export function layerConformance(options: LayerConformance): void {
  const { name, resolve, dial, stats } = options.layer()
  const checks = [
    ...lifeChecks,
    ...(stats === undefined ? [] : statsChecks),
    ...(resolve === undefined ? [] : resolveChecks),
    ...(dial === undefined ? [] : dialChecks),
  ]
  register(options.name ?? `${name} conformance`, checks, options, options.skip)
}
