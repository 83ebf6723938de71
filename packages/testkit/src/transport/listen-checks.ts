import assert from 'node:assert/strict'
import { type ErrorCode, GatewayError, type Link } from '@proxy/kernel'
import type { Check } from '../check.ts'
import { settle, until, within } from '../waiting.ts'
import { Recorder } from './recorder.ts'
import { hostOf, listening, never, type TransportSubject, withPair, withTransport } from './subject.ts'

async function rejectsWith(code: ErrorCode, dial: Promise<Link>): Promise<void> {
  const error = await within(
    dial.then(
      (link) => {
        link.destroy()
        return undefined
      },
      (reason: unknown) => reason,
    ),
    `a dial that fails with ${code}`,
  )
  assert.ok(GatewayError.is(error), `the dial must reject with a GatewayError, not ${String(error)}`)
  assert.equal(error.code, code)
}

/** Checks of `listen` and `connect`. */
export const listenChecks: readonly Check<TransportSubject>[] = [
  {
    name: 'port 0 picks a free port, and both ends know both addresses',
    run: (subject) =>
      withPair(subject, async ({ dialled, accepted }) => {
        assert.notEqual(accepted.local.port, 0)
        assert.equal(accepted.local.host, hostOf(subject))
        assert.deepEqual({ ...dialled.remote }, { ...accepted.local })
        assert.deepEqual({ ...accepted.remote }, { ...dialled.local })
      }),
  },
  {
    name: 'an address in use is refused with EADDRINUSE',
    run: (subject) =>
      withTransport(subject, async (transport) => {
        const { binding } = await listening(subject, transport)
        const acceptor = { onLink: () => undefined, onError: () => undefined }
        const second = transport.listen({ ...binding.address }, acceptor)
        await assert.rejects(within(second, 'the second listen'), { code: 'EADDRINUSE' })
        await binding.close()
      }),
  },
  {
    name: 'closing a binding frees the address; connections accepted so far live on',
    run: (subject) =>
      withTransport(subject, async (transport) => {
        const { binding, links } = await listening(subject, transport)
        const near = new Recorder(await transport.connect({ ...binding.address, timeoutMs: 4_000 }, never))
        await until(() => links.length === 1, 'the connection to be accepted')
        const far = new Recorder(links[0] as Link)
        await within(binding.close(), 'the binding to close')
        await rejectsWith('PROXY_DIAL_REFUSED', transport.connect({ ...binding.address, timeoutMs: 4_000 }, never))
        near.write('still here')
        assert.equal((await far.receives(10)).toString(), 'still here')
        const again = await transport.listen(
          { ...binding.address },
          { onLink: () => undefined, onError: () => undefined },
        )
        await again.close()
        near.link.destroy()
        far.link.destroy()
      }),
  },
  {
    name: 'a host name that does not exist rejects with PROXY_DIAL_DNS',
    run: (subject) =>
      withTransport(subject, (transport) =>
        rejectsWith('PROXY_DIAL_DNS', transport.connect({ host: 'host.invalid', port: 9, timeoutMs: 4_000 }, never)),
      ),
  },
  {
    name: 'a dial that is not answered rejects with PROXY_DIAL_TIMEOUT',
    unless: ({ unanswered }) => (unanswered === undefined ? 'no unanswered address is given' : undefined),
    run: (subject) =>
      withTransport(subject, async (transport) => {
        const hole = subject.unanswered?.(transport)
        if (hole === undefined) return
        const dial = transport.connect({ ...hole.address, timeoutMs: 200 }, never)
        dial.catch(() => undefined)
        await settle()
        hole.pass(200)
        await rejectsWith('PROXY_DIAL_TIMEOUT', dial)
      }),
  },
  {
    name: 'an aborted dial rejects and leaves no connection',
    run: (subject) =>
      withTransport(subject, async (transport) => {
        const { binding, links } = await listening(subject, transport)
        const target = { ...binding.address, timeoutMs: 4_000 }
        await assert.rejects(within(transport.connect(target, AbortSignal.abort()), 'the dial aborted before'))
        const abort = new AbortController()
        const dial = transport.connect(target, abort.signal)
        abort.abort()
        await assert.rejects(within(dial, 'the aborted dial'))
        await settle()
        for (const link of links) await new Recorder(link).closesOrEnds()
        for (const link of links) link.destroy()
        await binding.close()
      }),
  },
]
