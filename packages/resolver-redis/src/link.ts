import { type Client, type Opened, openClient, pauseMs, type RedisSource } from './source.ts'

/** Whether Redis answers. `stale`: it does not, or too slowly; what is known of it may be out of date. */
export type RedisState = 'connecting' | 'ready' | 'stale'

export interface RedisLinkOptions {
  readonly redis: RedisSource
  readonly commandTimeoutMs: number
  /** Called when the state changes; `error` says why it is `stale`. */
  readonly onState: (state: RedisState, error: Error | undefined) => void
}

/** Redis was asked for nothing, or did not answer in time. */
export class RedisAwayError extends Error {
  override readonly name = 'RedisAwayError'
}

// Answers that say the server cannot serve at the moment, as opposed to a command that was wrong.
const unfit =
  /^(LOADING|READONLY|CLUSTERDOWN|MASTERDOWN|TRYAGAIN|BUSY|UNBLOCKED|NOREPLICAS|MISCONF|OOM|NOAUTH|WRONGPASS|NOPERM)/
const longPings = 3
const lookMs = 25

/**
 * Commands to Redis with a deadline. After the first that fails, none is sent until a probe has been answered: nothing
 * piles up, and nobody waits for a server that does not answer.
 */
export class RedisLink {
  readonly client: Client
  readonly #options: RedisLinkOptions
  readonly #owned: boolean
  readonly #first: PromiseWithResolvers<void> = Promise.withResolvers()
  #state: RedisState = 'connecting'
  #timer: NodeJS.Timeout | undefined
  #silent = 0
  #probes = 0
  #awaySince: number = performance.now()
  /** What the client says about why it has no connection. */
  #latest: Error | undefined
  #closed = false

  constructor(options: RedisLinkOptions) {
    this.#options = options
    const { client, owned }: Opened = openClient(options.redis)
    this.client = client
    this.#owned = owned
    client.on('error', this.#onError)
    client.on('ready', this.#onReady)
    client.on('close', this.#onClose)
    this.#first.promise.catch(() => undefined)
    if (client.status === 'ready') this.#become('ready')
    else this.#timer = setTimeout(() => this.#fail(this.#away('no connection to Redis')), options.commandTimeoutMs)
  }

  get state(): RedisState {
    return this.#state
  }

  /** Rejects with {@link RedisAwayError} when Redis is away or slow, and with Redis' own error when the command was wrong. */
  async run<T>(command: (client: Client) => Promise<T>): Promise<T> {
    if (this.#state === 'connecting') await this.#first.promise
    if (this.#state !== 'ready') throw new RedisAwayError('Redis is away')
    try {
      return await this.#within(command(this.client))
    } catch (error) {
      if (!isOutage(error)) throw error
      this.#fail(error as Error)
      throw new RedisAwayError('Redis does not answer', { cause: error })
    }
  }

  /** Whether Redis answers; settles when it does, or has not done so for `patienceMs`. */
  async isThere(patienceMs: number): Promise<boolean> {
    while (!this.#closed && this.#state !== 'ready' && performance.now() - this.#awaySince < patienceMs) {
      await new Promise((resolve) => setTimeout(resolve, lookMs))
    }
    return this.#state === 'ready'
  }

  close(): void {
    if (this.#closed) return
    this.#closed = true
    clearTimeout(this.#timer)
    this.#state = 'stale'
    this.#first.reject(new RedisAwayError('closed'))
    this.client.off('ready', this.#onReady)
    this.client.off('close', this.#onClose)
    if (this.#owned) this.client.disconnect()
    else this.client.off('error', this.#onError)
  }

  #within<T>(answer: Promise<T>): Promise<T> {
    const late = Promise.withResolvers<never>()
    const { commandTimeoutMs } = this.#options
    const fail = (): void => late.reject(new RedisAwayError(`no answer in ${commandTimeoutMs} ms`))
    // When this process stood still, the answer may be there and not read yet: it is read before an immediate runs.
    const timer = setTimeout(() => setImmediate(fail), commandTimeoutMs)
    return Promise.race([answer, late.promise]).finally(() => clearTimeout(timer))
  }

  // The client goes on connecting by itself; without a listener its errors would end the process.
  readonly #onError = (error: Error): void => {
    this.#latest = error
  }

  readonly #onReady = (): void => {
    if (this.#state === 'connecting') this.#become('ready')
    else if (this.#state === 'stale') this.#probeIn(0)
  }

  readonly #onClose = (): void => {
    if (this.#state === 'ready') this.#fail(this.#away('the connection to Redis was lost'))
  }

  #away(message: string): RedisAwayError {
    return new RedisAwayError(message, { cause: this.#latest })
  }

  #become(state: RedisState, error?: Error): void {
    if (this.#state === state || this.#closed) return
    this.#state = state
    clearTimeout(this.#timer)
    if (state === 'ready') this.#first.resolve()
    else this.#first.reject(error)
    this.#silent = 0
    this.#probes = 0
    this.#options.onState(state, error)
  }

  #fail(error: Error): void {
    if (this.#closed || this.#state === 'stale') return
    if (this.#state === 'ready') this.#awaySince = performance.now()
    this.#become('stale', error)
    this.#probeIn(pauseMs(0))
  }

  #probeIn(delayMs: number): void {
    if (this.#closed) return
    clearTimeout(this.#timer)
    this.#timer = setTimeout(() => void this.#probe(), delayMs)
    this.#timer.unref()
  }

  async #probe(): Promise<void> {
    this.#probes++
    try {
      if (this.client.status !== 'ready') throw new RedisAwayError('not connected')
      await this.#within(ping(this.client))
      this.#become('ready')
    } catch {
      this.#reconnectIfSilent()
      this.#probeIn(pauseMs(this.#probes))
    }
  }

  /** A connection into a black hole looks as if it were open. */
  #reconnectIfSilent(): void {
    if (this.client.status !== 'ready' || ++this.#silent < longPings) return
    this.#silent = 0
    this.client.disconnect(true)
  }
}

async function ping(client: Client): Promise<void> {
  if (!('nodes' in client)) return void (await client.ping())
  // A part of the tenants is on each of them.
  await Promise.all(client.nodes('master').map((node) => node.ping()))
}

function isOutage(error: unknown): boolean {
  if (!(error instanceof Error)) return false
  return error.name !== 'ReplyError' || unfit.test(error.message)
}
