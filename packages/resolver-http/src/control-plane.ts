import { ResolveError, type ResolveErrorKind } from '@proxy/kernel'
import { Agent, type Dispatcher, errors, request } from 'undici'
import { retryAfterOf } from './freshness.ts'
import type { Settings } from './settings.ts'

export interface Answer {
  readonly status: number
  readonly headers: Dispatcher.ResponseData['headers']
  readonly body: string
}

const largestBody = 65_536

/** Asks over connections that are kept. Nothing is asked twice, and no redirect is followed. */
export class ControlPlane {
  readonly #agent: Agent
  readonly #token: string | undefined
  readonly #timeoutMs: number

  constructor({ connections, token, timeoutMs }: Settings) {
    this.#agent = new Agent({ connections, connect: { timeout: timeoutMs } })
    this.#token = token
    this.#timeoutMs = timeoutMs
  }

  get(url: string, etag: string | undefined): Promise<Answer> {
    const headers = { accept: 'application/json', ...(etag !== undefined && { 'if-none-match': etag }) }
    return this.#ask(url, { method: 'GET', headers }, AbortSignal.timeout(this.#timeoutMs))
  }

  /** However long it takes: the signal ends it. */
  post(url: string, value: unknown, signal: AbortSignal): Promise<Answer> {
    const headers = { accept: 'application/json', 'content-type': 'application/json' }
    return this.#ask(url, { method: 'POST', headers, body: JSON.stringify(value) }, signal)
  }

  close(): Promise<void> {
    return this.#agent.destroy()
  }

  async #ask(url: string, options: Partial<Dispatcher.RequestOptions>, signal: AbortSignal): Promise<Answer> {
    const authorization = this.#token === undefined ? {} : { authorization: `Bearer ${this.#token}` }
    const headers = { ...(options.headers as Record<string, string>), ...authorization }
    try {
      const {
        statusCode: status,
        headers: answered,
        body,
      } = await request(url, {
        ...options,
        method: options.method ?? 'GET',
        headers,
        signal,
        headersTimeout: 0,
        bodyTimeout: 0,
        dispatcher: this.#agent,
      })
      return { status, headers: answered, body: await bounded(body) }
    } catch (error) {
      throw failureOf(error)
    }
  }
}

async function bounded(body: Dispatcher.ResponseData['body']): Promise<string> {
  const chunks: Buffer[] = []
  let size = 0
  for await (const chunk of body) {
    const bytes = chunk as Buffer
    size += bytes.length
    if (size > largestBody) throw new ResolveError('INTERNAL', { cause: new Error('the answer is too large') })
    chunks.push(bytes)
  }
  return Buffer.concat(chunks).toString('utf8')
}

function failureOf(error: unknown): ResolveError {
  if (error instanceof ResolveError) return error
  return new ResolveError(isTimeout(error) ? 'TIMEOUT' : 'UNAVAILABLE', { cause: error })
}

const isTimeout = (error: unknown): boolean =>
  error instanceof errors.ConnectTimeoutError || (error instanceof Error && error.name === 'TimeoutError')

const kinds: Readonly<Record<number, ResolveErrorKind>> = {
  403: 'FORBIDDEN',
  404: 'NOT_FOUND',
  410: 'NOT_FOUND',
  429: 'UNAVAILABLE',
  504: 'TIMEOUT',
}

/** What an answer other than a good one means. */
export function errorOf({ status, headers }: Pick<Answer, 'status' | 'headers'>): ResolveError {
  const kind = kinds[status] ?? (status >= 500 ? 'UNAVAILABLE' : 'INTERNAL')
  const cause = new Error(`the control plane answered with ${status}`)
  return new ResolveError(kind, { cause, retryAfterMs: retryAfterOf(headers) })
}
