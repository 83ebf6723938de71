import assert from 'node:assert/strict'
import { type Dialled, GatewayError } from '@proxy/kernel'
import type { Check } from '../check.ts'
import { deferred } from '../deferred.ts'
import { settle, within } from '../waiting.ts'
import { benched, dialled, failure, type LayerSubject, never, pending } from './subject.ts'

/** Checks of `Layer.dial`; they have nothing to do where there is none. */
export const dialChecks: readonly Check<LayerSubject>[] = [
  {
    name: 'a connection is handed on as it is, after one dial',
    run: (subject) =>
      benched(subject, async ({ dial, dialRequest }) => {
        if (dial === undefined) return
        const made: Dialled[] = []
        const request = Object.freeze(dialRequest())
        const result = await within(
          dial(async (seen) => {
            assert.deepEqual([seen.backend, seen.endpoint], [request.backend, request.endpoint])
            const connection = dialled(seen)
            made.push(connection)
            return connection
          })(request, never),
          'the connection',
        )
        assert.equal(made.length, 1, 'one dial must be enough')
        assert.equal(result.link, made[0]?.link, 'the connection is another one')
      }),
  },
  {
    name: 'errors of dial are passed on unchanged',
    run: (subject) =>
      benched(subject, async ({ dial, dialRequest }) => {
        if (dial === undefined) return
        const error = new GatewayError('PROXY_BACKEND_TLS')
        assert.equal(await failure(() => dial(() => Promise.reject(error))(dialRequest(), never)), error)
      }),
  },
  {
    name: 'an abort ends the wait for a connection',
    run: (subject) =>
      benched(subject, async ({ dial, dialRequest }) => {
        if (dial === undefined) return
        const abort = new AbortController()
        const waiting = dial((_request, signal) => pending(signal, new Promise<Dialled>(() => undefined)))
        const failed = failure(() => waiting(dialRequest(), abort.signal))
        await settle(4)
        abort.abort(new GatewayError('PROXY_CLIENT_GONE'))
        await failed
      }),
  },
  {
    name: 'a connection that comes too late is closed or handed on, never lost',
    run: (subject) =>
      benched(subject, async ({ dial, dialRequest }) => {
        if (dial === undefined) return
        const abort = new AbortController()
        const late = deferred<Dialled>()
        let connection: Dialled | undefined
        const result = dial((request) => {
          connection = dialled(request)
          return late.promise
        })(dialRequest(), abort.signal)
        result.catch(() => undefined)
        await settle(4)
        abort.abort(new GatewayError('PROXY_CLIENT_GONE'))
        assert.ok(connection !== undefined, 'nothing was dialled')
        late.resolve(connection)
        const handedOn = await within(result, 'the dial to settle').then(
          ({ link }) => link === connection?.link,
          () => false,
        )
        await settle(4)
        assert.ok(handedOn || connection.link.closed, 'a connection was left open that nobody has')
      }),
  },
]
