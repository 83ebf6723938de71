import { disposeAll } from './attempt.ts'
import type {
  Backend,
  DialRequest,
  Disposer,
  ListenerTls,
  Protocol,
  ProtocolContext,
  Session,
  Upstream,
} from './contracts.ts'
import type { ListenerSettings } from './options.ts'
import type { Pipeline } from './pipeline.ts'
import { dialRequest, ownerless } from './probe.ts'
import { UpstreamChannel } from './upstream.ts'

/** What a session needs of its listener's configuration; unchanged for as long as the session lives. */
export interface ListenerSetup extends ListenerSettings {
  readonly generation: Generation
  /** Something comes before the protocol: a PROXY header, implicit TLS, or the choice of a protocol. */
  readonly hasPrologue: boolean
}

/**
 * One configuration, from the moment it is applied until its last session ended. A reload makes a new one and retires
 * this; resolver, layers, protocols and TLS are released once, together.
 */
export class Generation {
  readonly pipeline: Pipeline
  readonly #disposers: Disposer[] = []
  readonly #released: () => void
  #sessions = 0
  #retired = false

  constructor(pipeline: Pipeline, released: () => void) {
    this.pipeline = pipeline
    this.#released = released
  }

  async setup(
    protocols: ReadonlySet<Protocol>,
    tls: ReadonlySet<ListenerTls>,
    context: (protocol: Protocol) => ProtocolContext,
  ): Promise<void> {
    for (const listenerTls of tls) this.#own(listenerTls.setup?.({ hooks: this.pipeline.parts.hooks }))
    for (const protocol of protocols) this.#own(await protocol.setup?.(context(protocol)))
  }

  /** Without a session: a dial on the gateway's own account. */
  dialRequest(backend: Backend, key: string, protocol: Protocol, listener: string, session?: Session): DialRequest {
    return dialRequest(this.pipeline.parts, { backend, key, listener, protocol: protocol.name }, protocol, session)
  }

  /** A dial on the gateway's own account: the caller owns the upstream. */
  async dial(protocol: Protocol, backend: Backend, key: string, signal: AbortSignal): Promise<Upstream> {
    const dialled = await this.pipeline.dial(this.dialRequest(backend, key, protocol, ''), signal)
    return new UpstreamChannel(dialled, ownerless(signal), 65_536, key, backend, this.pipeline.parts.backendTls)
  }

  enter(): void {
    this.#sessions += 1
  }

  leave(): void {
    this.#sessions -= 1
    if (this.#retired && this.#sessions === 0) this.#release()
  }

  retire(): void {
    if (this.#retired) return
    this.#retired = true
    if (this.#sessions === 0) this.#release()
  }

  #own(disposer: Disposer | void | undefined): void {
    if (disposer !== undefined) this.#disposers.push(disposer)
  }

  #release(): void {
    disposeAll(this.pipeline.parts.hooks, this.#disposers)
    this.pipeline.close()
    this.#released()
  }
}
