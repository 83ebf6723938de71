import { disposeAll } from './attempt.ts'
import { backend as toBackend } from './backend.ts'
import type {
  Address,
  Backend,
  BackendTlsProvider,
  Clock,
  ConnectOptions,
  Dial,
  Dialled,
  DialRequest,
  Disposer,
  Layer,
  LayerContext,
  Link,
  Protocol,
  Relay,
  Resolution,
  Resolve,
  Resolver,
  TlsMode,
  Transport,
} from './contracts.ts'
import { announceDial } from './announcements.ts'
import { GatewayError } from './errors.ts'
import type { Hooks } from './hooks.ts'
import { probe } from './probe.ts'
import { isPromise } from './promise.ts'
import { encodeProxyHeader } from './proxy-protocol.ts'

/** What one generation of a gateway's configuration routes and dials with. A reload makes a new one. */
export interface PipelineParts {
  readonly resolver: Resolver
  /** Outermost first. */
  readonly layers: readonly Layer[]
  readonly relays: readonly Relay[]
  readonly transport: Transport
  readonly backendTls: BackendTlsProvider | undefined
  readonly hooks: Hooks
  readonly clock: Clock
  readonly connectTimeoutMs: number
  listening(): readonly Address[]
  /** The session of that id has waited so long for a backend to start. */
  waited(session: string, wakeMs: number): void
  /** The protocol of that name on a listener; undefined: there is none. */
  protocolOf(listener: string, name: string): Protocol | undefined
  tlsModeOf(listener: string): TlsMode
}

/** Resolver, layers, dial and relays, composed. */
export class Pipeline {
  readonly parts: PipelineParts
  readonly resolve: Resolve
  readonly dial: Dial
  readonly #disposers: Disposer[] = []
  /** By layer: its dial and all inside of it; the base last. */
  readonly #dials: Dial[] = []

  constructor(parts: PipelineParts) {
    this.parts = parts
    for (const [index, layer] of parts.layers.entries()) {
      const disposer = layer.setup?.(this.#context(index))
      if (disposer !== undefined) this.#disposers.push(disposer)
    }
    this.resolve = composeResolve(parts.layers, baseResolve(parts.resolver))
    this.#dials[parts.layers.length] = (request, signal) => baseDial(parts, request, signal)
    for (let index = parts.layers.length - 1; index >= 0; index--) this.#dials[index] = this.#wrapped(index)
    this.dial = this.#dials[0] as Dial
  }

  close(): void {
    disposeAll(this.parts.hooks, this.#disposers)
  }

  #context(index: number): LayerContext {
    const { parts } = this
    return {
      hooks: parts.hooks,
      clock: parts.clock,
      resolver: parts.resolver,
      listening: () => parts.listening(),
      waited: (session, wakeMs) => parts.waited(session, wakeMs),
      probe: (target, signal) => probe(parts, this.#dials[index + 1] as Dial, target, signal),
    }
  }

  #wrapped(index: number): Dial {
    const layer = this.parts.layers[index] as Layer
    const next = this.#dials[index + 1] as Dial
    return layer.dial?.(next) ?? next
  }
}

function composeResolve(layers: readonly Layer[], base: Resolve): Resolve {
  return layers.reduceRight((next, layer) => layer.resolve?.(next) ?? next, base)
}

function baseResolve(resolver: Resolver): Resolve {
  return (request, signal) => {
    let answer: Resolution | Promise<Resolution>
    try {
      answer = resolver.resolve(request, signal)
    } catch (error) {
      throw GatewayError.from(error, 'PROXY_RESOLVE_INTERNAL')
    }
    return isPromise(answer) ? answer.then(toBackend).catch(rethrow) : toBackend(answer)
  }
}

function rethrow(error: unknown): never {
  throw GatewayError.from(error, 'PROXY_RESOLVE_INTERNAL')
}

async function baseDial(parts: PipelineParts, request: DialRequest, signal: AbortSignal): Promise<Dialled> {
  const startedAt = parts.clock.now()
  try {
    const link = await parts.transport.connect(targetOf(request), signal)
    const { proxyProtocol, tls } = request.backend
    if (proxyProtocol !== 0) link.write(encodeProxyHeader(proxyProtocol, request.client, request.local))
    const dialled =
      tls?.mode === 'implicit'
        ? await secureLink(parts, request.backend, request, link, signal)
        : { link, endpoint: request.endpoint, tls: undefined }
    announceDial(parts, request, startedAt, undefined)
    return dialled
  } catch (cause) {
    const error = GatewayError.from(cause, 'PROXY_DIAL_UNREACHABLE')
    announceDial(parts, request, startedAt, error)
    throw error
  }
}

function targetOf({ address, endpoint, defaultPort, connectTimeoutMs }: DialRequest): ConnectOptions {
  const port = endpoint.port ?? defaultPort
  if (port === undefined) {
    throw new GatewayError('PROXY_RESOLVE_INTERNAL', { cause: new Error('the endpoint names no port') })
  }
  return { host: address ?? endpoint.host, port, timeoutMs: connectTimeoutMs }
}

async function secureLink(
  parts: PipelineParts,
  backend: Backend,
  { endpoint }: DialRequest,
  link: Link,
  signal: AbortSignal,
): Promise<Dialled> {
  if (parts.backendTls === undefined || backend.tls === undefined) {
    link.destroy()
    throw new GatewayError('PROXY_TLS_UNAVAILABLE')
  }
  const request = { unread: Buffer.alloc(0), alpn: [], signal }
  const secured = await parts.backendTls.secure(link, backend.tls, endpoint.host, request)
  return { link: secured.link, endpoint, tls: secured.tls }
}
