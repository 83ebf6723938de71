import { type Link, type Relay, type RelayFlight, type RelayRequest, streamRelay } from '@proxy/kernel'
import type { WrappedLink } from './wrapped-link.ts'

type Request = (request: RelayRequest) => RelayRequest
type Flight = (flight: RelayFlight) => RelayFlight

const same = <T>(value: T): T => value

/** The kernel's relay, which is told something else, or whose flight does something else. */
export const tampered = (request: Request, flight: Flight = same): Relay => ({
  name: 'mutant',
  start: (given) => {
    const started = streamRelay().start(request(given))
    return started === undefined ? undefined : flight(started)
  },
})

/** The kernel's relay over links that are broken. */
export const over = (Broken: new (inner: Link) => WrappedLink): Relay =>
  tampered((request) => ({ ...request, client: new Broken(request.client), backend: new Broken(request.backend) }))

const options =
  (more: (request: RelayRequest) => RelayRequest['options']): Request =>
  (request) => ({ ...request, options: more(request) })

export const losesUnread = (): Relay => tampered((request) => ({ ...request, clientUnread: Buffer.alloc(0) }))

export const cutsUnread = (): Relay =>
  tampered((request) => ({ ...request, clientUnread: request.clientUnread.subarray(0, 65_536) }))

export const neverIdle = (): Relay => tampered(options((request) => ({ ...request.options, idleTimeoutMs: 0 })))

export const idleTooSoon = (): Relay =>
  tampered(options((request) => ({ ...request.options, idleTimeoutMs: (request.options.idleTimeoutMs ?? 0) / 2 })))

export const alwaysIdle = (): Relay =>
  tampered(
    options((request) => {
      const { idleTimeoutMs = 0 } = request.options
      return { ...request.options, idleTimeoutMs: idleTimeoutMs === 0 ? 60_000 : idleTimeoutMs }
    }),
  )

export const withoutGoodbye = (): Relay => tampered(options((request) => ({ ...request.options, goodbye: undefined })))

export const alwaysQuiet = (): Relay => tampered(options((request) => ({ ...request.options, quiet: () => true })))

export const firstBytes = (): Relay =>
  tampered(
    options(({ options: given }) => ({
      ...given,
      quiet: (tail: Buffer) => given.quiet?.(Buffer.from(tail.subarray(0, 8))) ?? false,
    })),
  )

export const drainsAtOnce = (): Relay =>
  tampered(same, (flight) => ({
    done: flight.done,
    drain: () => flight.abort('drain'),
    abort: (reason) => flight.abort(reason),
  }))

export const drainsOnce = (): Relay =>
  tampered(same, (flight) => {
    let draining = false
    const drain = (): void => {
      if (!draining) flight.drain()
      draining = true
    }
    return { done: flight.done, drain, abort: (reason) => flight.abort(reason) }
  })

export const cannotAbort = (): Relay =>
  tampered(same, (flight) => ({ done: flight.done, drain: () => flight.drain(), abort: () => undefined }))

export const wrongReason = (): Relay =>
  tampered(same, (flight) => ({
    done: flight.done.then(() => ({ reason: 'done' })),
    drain: () => flight.drain(),
    abort: (reason) => flight.abort(reason),
  }))

export const leavesTimer = (): Relay =>
  tampered((request) => {
    request.clock.every(1_000, () => undefined)
    return request
  })
