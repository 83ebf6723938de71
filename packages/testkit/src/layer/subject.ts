import assert from 'node:assert/strict'
import {
  backend,
  type Backend,
  type Dial,
  type Dialled,
  type DialRequest,
  type Disposer,
  type Endpoint,
  type HookName,
  Hooks,
  type Layer,
  type LayerContext,
  type Resolution,
  type Resolve,
  type Resolver,
  type RouteRequest,
} from '@proxy/kernel'
import { type FakeClock, fakeClock } from '../clock.ts'
import { MemoryLink } from '../memory-link.ts'
import { settle, within } from '../waiting.ts'

export interface LayerSubject {
  /** A new instance at each call, with options under which it lets `request` and `resolution` pass. */
  layer(): Layer
  /** What a route that passes looks like, where the default does not. */
  readonly request?: Partial<RouteRequest> | undefined
  /** What the resolver answers. Default: one endpoint, `203.0.113.7:7777`, ready. */
  readonly resolution?: Resolution | undefined
  /** The resolver that the layer is set up with. */
  readonly resolver?: Resolver | undefined
  /** What a probe finds. Default: every endpoint serves. */
  readonly probe?: LayerContext['probe'] | undefined
}

/** A layer, set up as in a gateway, and what it is called with. */
export interface Bench {
  readonly layer: Layer
  readonly clock: FakeClock
  readonly hooks: Hooks
  readonly backend: Backend
  request(more?: Partial<RouteRequest>): RouteRequest
  dialRequest(more?: Partial<DialRequest>): DialRequest
  resolve: ((next: Resolve) => Resolve) | undefined
  dial: ((next: Dial) => Dial) | undefined
}

const client = { host: '198.51.100.9', port: 40_001 }
const local = { host: '198.51.100.1', port: 7_000 }

const hookNames: readonly HookName[] = [
  'gateway:open',
  'gateway:drain',
  'gateway:close',
  'gateway:error',
  'session:open',
  'session:end',
  'route:end',
  'route:purge',
  'wake:start',
  'wake:end',
  'dial:end',
  'relay:start',
  'tenant:busy',
  'tenant:idle',
  'upstream:fault',
  'endpoint:health',
  'circuit:change',
]

export const never: AbortSignal = new AbortController().signal

/** Runs `body` with a layer that is set up, and demands that disposing of it leaves nothing behind. */
export async function benched(subject: LayerSubject, body: (bench: Bench) => Promise<void> | void): Promise<void> {
  const bench = make(subject)
  const dispose = setup(subject, bench)
  await body(bench)
  await settle(4)
  endSessions(bench)
  dispose?.()
  dispose?.()
  await settle(4)
  const listening = hookNames.filter((name) => bench.hooks.has(name))
  assert.deepEqual(listening, [], 'hooks are still listened to after the layer was disposed of')
  assert.equal(bench.clock.pending, 0, 'timers are left after the layer was disposed of')
}

export function make(subject: LayerSubject): Bench {
  const layer = subject.layer()
  const answer = backend(subject.resolution ?? '203.0.113.7:7777')
  const request = (more: Partial<RouteRequest> = {}): RouteRequest => ({ ...routeRequest, ...subject.request, ...more })
  const dialRequest = (more: Partial<DialRequest> = {}): DialRequest => ({
    backend: answer,
    endpoint: answer.endpoints[0] as Endpoint,
    defaultPort: 7777,
    connectTimeoutMs: 1_000,
    protocol: 'tcp',
    listener: 'tcp',
    session: request().session,
    key: request().key,
    client,
    local,
    ...more,
  })
  const [clock, hooks] = [fakeClock(), new Hooks()]
  return {
    layer,
    clock,
    hooks,
    backend: answer,
    request,
    dialRequest,
    resolve: layer.resolve?.bind(layer),
    dial: layer.dial?.bind(layer),
  }
}

const routeRequest: RouteRequest = {
  key: 'alpha',
  protocol: 'tcp',
  listener: 'tcp',
  session: 's1',
  client,
  tls: undefined,
  unread: 0,
  attributes: {},
}

export function setup(subject: LayerSubject, { layer, hooks, clock, backend: answer }: Bench): Disposer | undefined {
  const resolver: Resolver = subject.resolver ?? { name: 'bench', resolve: () => answer }
  const context: LayerContext = {
    hooks,
    clock,
    resolver,
    listening: () => [local],
    waited() {},
    probe: subject.probe ?? (async () => {}),
  }
  return layer.setup?.(context) ?? undefined
}

/** The gateway says so of every session; layers that count rely on it. */
function endSessions({ hooks }: Bench): void {
  for (const session of ['s1', 's2', 's3']) {
    hooks.emit('session:end', {
      session,
      listener: 'tcp',
      protocol: 'tcp',
      client,
      key: 'alpha',
      outcome: 'relayed',
      reason: 'client',
      error: undefined,
      tls: undefined,
      bytesFromClient: 0,
      bytesToClient: 0,
      durationMs: 0,
      timing: { clientMs: 0, resolveMs: 0, wakeMs: 0, dialMs: 0, firstByteMs: undefined },
    })
  }
}

/** A connection that nobody uses. */
export function dialled(request: DialRequest): Dialled {
  const ends = { remote: { host: '203.0.113.7', port: 7777 }, local, windowBytes: 1_024 }
  const link = new MemoryLink(ends)
  MemoryLink.connect(link, new MemoryLink(ends))
  return { link, endpoint: request.endpoint, tls: undefined }
}

/** What a call threw, at once or later; fails when it succeeded or never settles. */
export async function failure(call: () => unknown): Promise<unknown> {
  const outcome = (async () => call())().then(
    () => ({ failed: false, error: undefined }),
    (error: unknown) => ({ failed: true, error }),
  )
  const { failed, error } = await within(outcome, 'the call to settle')
  assert.ok(failed, 'the call must fail')
  return error
}

/** Settles as the signal says, as everything at the bottom does. */
export function pending<T>(signal: AbortSignal, value: Promise<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    signal.addEventListener('abort', () => reject(signal.reason as Error))
    value.then(resolve, reject)
  })
}
