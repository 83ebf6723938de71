import { backend } from '../backend.ts'
import type { Address, Dialled, DialRequest, LayerContext, Resolution, Resolver } from '../contracts.ts'
import { Hooks } from '../hooks.ts'
import { FakeClock } from './clock.ts'

export interface TestContext extends LayerContext {
  readonly clock: FakeClock
  readonly hooks: Hooks
  /** What sessions waited, by their ids. */
  readonly waits: Map<string, number>
}

/** What a layer is set up with, on a clock that stands still. */
export function layerContext(
  parts: { resolver?: Resolver; listening?: readonly Address[]; probe?: LayerContext['probe'] } = {},
): TestContext {
  const { resolver = { name: 'none', resolve: () => 'none:1' }, listening = [], probe = async () => {} } = parts
  const waits = new Map<string, number>()
  const waited = (session: string, ms: number): void => void waits.set(session, (waits.get(session) ?? 0) + ms)
  return { hooks: new Hooks(), clock: new FakeClock(), resolver, listening: () => listening, probe, waits, waited }
}

/** A dial of the first endpoint of a resolution. */
export function dialRequest(resolution: Resolution, more: Partial<DialRequest> = {}): DialRequest {
  const made = backend(resolution)
  const [endpoint = { host: 'none' }] = made.endpoints
  return {
    backend: made,
    endpoint,
    defaultPort: 5432,
    connectTimeoutMs: 1_000,
    protocol: 'postgresql',
    listener: 'db',
    session: 's1',
    key: 'alpha',
    client: undefined,
    local: undefined,
    ...more,
  }
}

/** A connection that only its identity matters of. */
export function dialledTo(request: DialRequest): Dialled {
  return { link: {} as Dialled['link'], endpoint: request.endpoint, tls: undefined }
}
