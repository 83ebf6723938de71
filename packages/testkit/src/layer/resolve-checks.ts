import assert from 'node:assert/strict'
import { type Backend, ResolveError } from '@proxy/kernel'
import type { Check } from '../check.ts'
import { deferred } from '../deferred.ts'
import { settle, within } from '../waiting.ts'
import { benched, failure, type LayerSubject, never, pending } from './subject.ts'

const gone = (): Error => new Error('the client has left')

/** Checks of `Layer.resolve`; they have nothing to do where there is none. */
export const resolveChecks: readonly Check<LayerSubject>[] = [
  {
    name: 'a synchronous answer is handed on as it is',
    run: (subject) =>
      benched(subject, ({ resolve, request, backend }) => {
        const answer = resolve?.(() => backend)(request(), never)
        if (resolve === undefined) return
        assert.ok(!(answer instanceof Promise), 'the answer came as a promise')
        assert.equal(answer, backend, 'the answer is another one')
      }),
  },
  {
    name: 'an asynchronous answer is handed on',
    run: (subject) =>
      benched(subject, async ({ resolve, request, backend }) => {
        if (resolve === undefined) return
        const answer = resolve(async () => backend)(request(), never)
        assert.equal(await within(Promise.resolve(answer), 'the answer'), backend, 'the answer is another one')
      }),
  },
  {
    name: 'resolve asks once, with the request that it was given',
    run: (subject) =>
      benched(subject, async ({ resolve, request, backend }) => {
        if (resolve === undefined) return
        const asked: unknown[] = []
        const given = Object.freeze(request())
        await resolve((seen) => {
          asked.push(seen)
          return backend
        })(given, never)
        assert.deepEqual(asked, [given])
      }),
  },
  {
    name: 'errors of resolve are passed on unchanged',
    run: (subject) =>
      benched(subject, async ({ resolve, request }) => {
        if (resolve === undefined) return
        const error = new ResolveError('FORBIDDEN')
        const thrown = await failure(() =>
          resolve(() => {
            throw error
          })(request({ key: 'one' }), never),
        )
        assert.equal(thrown, error, 'what was thrown at once came out as something else')
        const rejected = await failure(() => resolve(() => Promise.reject(error))(request({ key: 'two' }), never))
        assert.equal(rejected, error, 'a rejection came out as something else')
      }),
  },
  {
    name: 'an abort ends the wait for an answer',
    run: (subject) =>
      benched(subject, async ({ resolve, request }) => {
        if (resolve === undefined) return
        const abort = new AbortController()
        const answer = resolve((_request, signal) => pending(signal, new Promise<Backend>(() => undefined)))
        const failed = failure(() => answer(request(), abort.signal))
        await settle(4)
        abort.abort(gone())
        await failed
      }),
  },
  {
    name: 'a caller that leaves does not take others along',
    run: (subject) =>
      benched(subject, async ({ resolve, request, backend }) => {
        if (resolve === undefined) return
        const answer = deferred<Backend>()
        const wrapped = resolve((_request, signal) => pending(signal, answer.promise))
        const abort = new AbortController()
        const leaver = failure(() => wrapped(request({ session: 's1' }), abort.signal))
        const stayer = Promise.resolve(wrapped(request({ session: 's2' }), never))
        stayer.catch(() => undefined)
        await settle(4)
        abort.abort(gone())
        await leaver
        answer.resolve(backend)
        assert.equal(await within(stayer, 'the answer for the one that stayed'), backend)
      }),
  },
  {
    name: 'instances share no answers',
    run: (subject) =>
      benched(subject, (one) =>
        benched(subject, async (other) => {
          if (one.resolve === undefined || other.resolve === undefined) return
          await one.resolve(() => one.backend)(one.request(), never)
          const another = Object.freeze({ ...other.backend, id: 'another' })
          const answer = await other.resolve(() => another)(other.request(), never)
          assert.equal(answer, another, 'an instance answered with what another one was told')
        }),
      ),
  },
]
