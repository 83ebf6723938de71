import { ResolveError } from '@proxy/kernel'
import { type Dispatcher, Pool } from 'undici'
import type { EngineAddress } from './engine-address.ts'
import { jsonStream } from './json-stream.ts'
import type { ContainerDetails, ContainerEvent, ContainerSummary } from './wire.ts'

/** The latest version of the API that this was written against; an older engine is spoken to in its own. */
const LATEST = 51
const OLDEST = 24
const ANSWER_TIMEOUT_MS = 15_000
const CONNECTIONS = 16

/** The part of the Docker Engine API that is needed. Every method rejects with a `ResolveError`. */
export class Engine {
  readonly #pool: Pool
  #version: string | undefined

  constructor({ origin, socketPath, tls }: EngineAddress) {
    const connect = { timeout: 5_000, ...(socketPath === undefined ? {} : { socketPath }), ...tls }
    this.#pool = new Pool(origin, { connections: CONNECTIONS, connect, bodyTimeout: 0 })
  }

  get version(): string | undefined {
    return this.#version
  }

  /** Asks for the version again: the engine may have been replaced by another one. */
  async negotiate(signal: AbortSignal): Promise<void> {
    const answer = await this.#send('GET', '/_ping', AbortSignal.any([signal, AbortSignal.timeout(ANSWER_TIMEOUT_MS)]))
    await answer.body.dump()
    const [, minor] = /^1\.(\d+)$/.exec(String(answer.headers['api-version'])) ?? []
    if (answer.statusCode !== 200 || minor === undefined || Number(minor) < OLDEST) {
      throw unavailable(`no Docker Engine with API 1.${OLDEST} or later answers`)
    }
    this.#version = `1.${Math.min(Number(minor), LATEST)}`
  }

  list(label: string | undefined, signal: AbortSignal): Promise<readonly ContainerSummary[]> {
    const filters = label === undefined ? {} : { label: [label] }
    return this.#json(`/containers/json?all=1&filters=${encoded(filters)}`, signal)
  }

  inspect(container: string, signal: AbortSignal): Promise<ContainerDetails> {
    return this.#json(`/containers/${encodeURIComponent(container)}/json`, signal)
  }

  /** What is done already, which is 304 or for a pause 409, is as good as done. */
  async act(container: string, action: string, signal: AbortSignal): Promise<void> {
    const answer = await this.#send(
      'POST',
      this.#path(`/containers/${encodeURIComponent(container)}/${action}`),
      signal,
    )
    if (answer.statusCode !== 409 || !action.endsWith('pause')) await expectSuccess(answer, action)
    await answer.body.dump()
  }

  /** Settles when the stream is open: what happens from then on is delivered. */
  async events(filters: Readonly<Record<string, readonly string[]>>, signal: AbortSignal): Promise<EventStream> {
    const answer = await this.#send('GET', this.#path(`/events?filters=${encoded(filters)}`), signal)
    await expectSuccess(answer, 'events')
    return jsonStream<ContainerEvent>(answer.body)
  }

  async close(): Promise<void> {
    await this.#pool.destroy()
  }

  async #json<T>(path: string, signal: AbortSignal): Promise<T> {
    const limited = AbortSignal.any([signal, AbortSignal.timeout(ANSWER_TIMEOUT_MS)])
    const answer = await this.#send('GET', this.#path(path), limited)
    await expectSuccess(answer, path)
    try {
      return (await answer.body.json()) as T
    } catch (cause) {
      throw unavailable('the Docker Engine answered with something else than JSON', cause)
    }
  }

  #path(path: string): string {
    return this.#version === undefined ? path : `/v${this.#version}${path}`
  }

  async #send(method: 'GET' | 'POST', path: string, signal: AbortSignal): Promise<Dispatcher.ResponseData> {
    try {
      return await this.#pool.request({ method, path, signal })
    } catch (cause) {
      throw unavailable('the Docker Engine cannot be reached', cause)
    }
  }
}

export type EventStream = AsyncIterable<ContainerEvent>

const encoded = (filters: object): string => encodeURIComponent(JSON.stringify(filters))

async function expectSuccess(answer: Dispatcher.ResponseData, what: string): Promise<void> {
  const { statusCode, body } = answer
  if (statusCode < 300 || statusCode === 304) return
  const said = await messageOf(body)
  if (statusCode === 404) throw new ResolveError('NOT_FOUND', { cause: new Error(said) })
  throw unavailable(`the Docker Engine refused ${what}: ${statusCode} ${said}`)
}

/** Errors are `{ message }`; a proxy in between may say anything. */
async function messageOf(body: Dispatcher.ResponseData['body']): Promise<string> {
  const text = await body.text().catch(() => '')
  try {
    return String((JSON.parse(text) as { message?: unknown }).message)
  } catch {
    return text.slice(0, 200)
  }
}

function unavailable(what: string, cause?: unknown): ResolveError {
  return new ResolveError('UNAVAILABLE', { cause: new Error(what, { cause }), retryAfterMs: 1_000 })
}
