import { Child } from './child.ts'
import { freePort } from './free-port.ts'
import { listening } from './listening.ts'
import type { LocalServer } from './local-server.ts'
import type { ProcessSpec } from './options.ts'

/** What a process tells. */
export interface ProcessEvents {
  /** It ended although nobody stopped it. */
  readonly gone: (reason: string) => void
  /** Gets every line that it prints. */
  readonly onLine?: ((line: string) => void) | undefined
}

const defaultStopTimeoutMs = 10_000

/** A process of this machine. */
export class LocalProcess implements LocalServer {
  readonly #spec: ProcessSpec
  readonly #events: ProcessEvents
  #child: Child | undefined
  #serving = false

  constructor(spec: ProcessSpec, events: ProcessEvents) {
    this.#spec = spec
    this.#events = events
  }

  /** undefined: it does not run. */
  get pid(): number | undefined {
    return this.#child?.pid
  }

  async start(signal: AbortSignal): Promise<string> {
    const endpoint = this.#spec.endpoint ?? `127.0.0.1:${await freePort()}`
    signal.throwIfAborted()
    const child = this.#spawn(endpoint.slice(endpoint.lastIndexOf(':') + 1))
    this.#child = child
    child.ended.then(
      (reason) => this.#gone(child, reason),
      () => this.#gone(child, ''),
    )
    await child.started()
    const { promise: aborted, reject } = Promise.withResolvers<never>()
    const abort = (): void => reject(signal.reason as Error)
    signal.addEventListener('abort', abort, { once: true })
    try {
      await Promise.race([this.#ready(child, endpoint, signal), endedFirst(child), aborted])
    } finally {
      signal.removeEventListener('abort', abort)
    }
    this.#serving = true
    return endpoint
  }

  async stop(): Promise<void> {
    this.#serving = false
    const child = this.#child
    if (child === undefined) return
    child.signal(this.#spec.stopSignal ?? 'SIGTERM')
    const timer = setTimeout(() => child.kill(), this.#spec.stopTimeoutMs ?? defaultStopTimeoutMs)
    await child.ended.catch(() => undefined)
    clearTimeout(timer)
  }

  kill(): void {
    this.#child?.kill()
  }

  /** To the process itself, not to its children. */
  signal(signal: NodeJS.Signals): void {
    this.#child?.signal(signal)
  }

  #spawn(port: string): Child {
    const { command, args = [], cwd, env = {}, user, stopSignal: farewell = 'SIGTERM' } = this.#spec
    const graceMs = this.#spec.stopTimeoutMs ?? defaultStopTimeoutMs
    const filled = (text: string): string => text.replaceAll('{port}', port)
    const variables = Object.fromEntries(Object.entries(env).map(([name, value]) => [name, filled(value)]))
    const line = { command, args: args.map(filled), cwd, env: variables, user }
    return new Child(line, { farewell, graceMs, onLine: this.#events.onLine })
  }

  async #ready(child: Child, endpoint: string, signal: AbortSignal): Promise<void> {
    const { ready = 'started' } = this.#spec
    if (ready === 'started') return
    // A process that has ended is not asked for any longer, either.
    const over = new AbortController()
    child.ended.finally(() => over.abort()).catch(() => undefined)
    await (ready === 'listening'
      ? listening(endpoint, AbortSignal.any([signal, over.signal]))
      : child.output.has(ready.output))
  }

  #gone(child: Child, reason: string): void {
    if (this.#child !== child) return
    this.#child = undefined
    const served = this.#serving
    this.#serving = false
    if (served) this.#events.gone(reason)
  }
}

async function endedFirst(child: Child): Promise<never> {
  throw new Error(`${await child.ended}: ${child.output.text}`)
}
