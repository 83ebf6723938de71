import type { ResolutionRecord } from '@proxy/kernel'
import { Bus } from './bus.ts'
import { RedisAwayError } from './link.ts'
import { type Job, jobsChannel, parseJob, streamKey } from './queue.ts'
import { invalid, type RedisOptions, redisSettings } from './settings.ts'
import { pauseMs } from './source.ts'
import { Store, type Verdict } from './store.ts'

/** What a worker is asked to start or to stop. */
export interface WakeJob {
  readonly key: string
  /** The record's id, or else the key: what is shared by several keys is started once. */
  readonly backend: string
  /** Grows with every attempt. Whatever `start` writes elsewhere can be guarded by it in the same way. */
  readonly token: number
  readonly record: ResolutionRecord
}

export interface WakeWorkerOptions extends RedisOptions {
  /**
   * Starts the backend and settles when it serves. Must do no harm when it runs already. Its answer is put over the record: a
   * bare `host:port` is the new endpoint, nothing leaves the record as it was.
   */
  readonly start: (job: WakeJob, signal: AbortSignal) => Promise<Partial<ResolutionRecord> | string | void>
  /** Stops it. Default: nothing is stopped. */
  readonly stop?: ((job: WakeJob, signal: AbortSignal) => Promise<void>) | undefined
  /** Jobs at a time. Default 16. */
  readonly concurrency?: number | undefined
  /** The job of a worker that is silent for so long is given to another. Default 30,000 ms. */
  readonly leaseMs?: number | undefined
  /** Told of what `start` and `stop` reject with, and of Redis' errors (without a key). Default: nobody is. */
  readonly onError?: ((error: unknown, key: string | undefined) => void) | undefined
}

export interface WakeWorker {
  /** `refused`: results that came too late, when another attempt had begun. */
  stats(): { readonly running: number; readonly done: number; readonly failed: number; readonly refused: number }
  /** Aborts what runs, which another worker then takes over, and settles when it has ended. */
  close(): Promise<void>
}

const group = 'workers'
const pollMs = 1_000

/** Takes the jobs that `redisResolver()` leaves in the stream `jobs`. Any number of workers share them. */
export function wakeWorker(options: WakeWorkerOptions): WakeWorker {
  return new StreamWorker(options)
}

type Entry = readonly [id: string, fields: readonly string[]]

class StreamWorker implements WakeWorker {
  readonly #options: WakeWorkerOptions
  readonly #bus: Bus
  readonly #store: Store
  readonly #concurrency: number
  readonly #leaseMs: number
  readonly #running = new Map<string, Promise<void>>()
  readonly #closing = new AbortController()
  readonly #timers: readonly NodeJS.Timeout[]
  readonly #counts = { done: 0, failed: 0, refused: 0 }
  #looking: Promise<void> | undefined
  #again = false

  constructor(options: WakeWorkerOptions) {
    this.#options = options
    this.#concurrency = options.concurrency ?? 16
    this.#leaseMs = options.leaseMs ?? 30_000
    if (!(this.#concurrency >= 1)) throw invalid('concurrency: not 1 or more')
    if (!(this.#leaseMs >= 100)) throw invalid('leaseMs: not 100 ms or more')
    const look = (): void => this.#look()
    this.#bus = new Bus({ ...redisSettings(options), onState: look, onGap: look })
    this.#store = new Store(this.#bus)
    this.#bus.listen(jobsChannel, look)
    this.#timers = [setInterval(look, pollMs), setInterval(() => void this.#keep(), this.#leaseMs / 3)]
  }

  stats(): ReturnType<WakeWorker['stats']> {
    return { running: this.#running.size, ...this.#counts }
  }

  async close(): Promise<void> {
    this.#closing.abort(new Error('the worker closes'))
    for (const timer of this.#timers) clearInterval(timer)
    await this.#looking
    await Promise.all(this.#running.values())
    this.#bus.close()
  }

  /** One look at a time; a notice during it leads to another. */
  #look(): void {
    if (this.#closing.signal.aborted) return
    if (this.#looking !== undefined) {
      this.#again = true
      return
    }
    this.#again = false
    this.#looking = this.#take().finally(() => {
      this.#looking = undefined
      if (this.#again) this.#look()
    })
  }

  async #take(): Promise<void> {
    try {
      const free = this.#concurrency - this.#running.size
      if (free <= 0) return
      const entries = [...(await this.#abandoned(free)), ...(await this.#fresh(free))]
      for (const entry of entries) if (!this.#running.has(entry[0])) this.#begin(entry)
    } catch (error) {
      if (error instanceof Error && error.message.startsWith('NOGROUP')) await this.#makeGroup()
      else if (!(error instanceof RedisAwayError)) this.#options.onError?.(error, undefined)
    }
  }

  async #fresh(count: number): Promise<Entry[]> {
    const [key, name] = [streamKey(this.#bus), this.#bus.id]
    const answer = await this.#bus.link.run((client) =>
      client.xreadgroup('GROUP', group, name, 'COUNT', count, 'STREAMS', key, '>'),
    )
    return (answer as [string, Entry[]][] | null)?.[0]?.[1] ?? []
  }

  async #abandoned(count: number): Promise<Entry[]> {
    const [key, name] = [streamKey(this.#bus), this.#bus.id]
    const answer = await this.#bus.link.run((client) =>
      client.xautoclaim(key, group, name, this.#leaseMs, '0', 'COUNT', count),
    )
    return ((answer[1] ?? []) as (Entry | null)[]).filter((entry) => entry !== null)
  }

  async #makeGroup(): Promise<void> {
    const key = streamKey(this.#bus)
    await this.#bus.link.run((client) => client.xgroup('CREATE', key, group, '0', 'MKSTREAM')).catch(() => undefined)
    this.#again = true
  }

  /** What runs here is not abandoned. */
  async #keep(): Promise<void> {
    const ids = [...this.#running.keys()]
    if (ids.length === 0) return
    const [key, name] = [streamKey(this.#bus), this.#bus.id]
    await this.#bus.link
      .run((client) => client.call('XCLAIM', key, group, name, '0', ...ids, 'JUSTID'))
      .catch(() => undefined)
  }

  #begin([id, fields]: Entry): void {
    const job = parseJob(fields)
    const running = (job === undefined ? Promise.resolve(true) : this.#serve(job))
      .then((finished) => (finished ? this.#acknowledge(id) : undefined))
      .catch((error: unknown) => this.#options.onError?.(error, job?.key))
      .finally(() => {
        this.#running.delete(id)
        this.#look()
      })
    this.#running.set(id, running)
  }

  async #acknowledge(id: string): Promise<void> {
    const key = streamKey(this.#bus)
    await this.#bus.link.run((client) => client.xack(key, group, id))
    await this.#bus.link.run((client) => client.xdel(key, id))
  }

  /** Whether nothing is left to do about it. */
  async #serve(job: Job): Promise<boolean> {
    const stateKey = this.#store.routeKey(job.key)
    const state = await this.#store.read(stateKey)
    if (state?.record === undefined || state.token > job.token || state.done >= job.token) return true
    const answer = await this.#run(job, state.record)
    if (answer === undefined && this.#closing.signal.aborted) return false
    const { key, backend: lock, token } = job
    const report = { token, outcome: answer === undefined ? 'failed' : 'done', record: answer } as const
    const ids = { key, id: answer?.id ?? state.record.id, lock }
    this.#count(await this.#persist(() => this.#store.report(stateKey, { ...report, changed: ids })), answer)
    return true
  }

  #count(verdict: Verdict, answer: ResolutionRecord | undefined): void {
    if (verdict !== 'ok') this.#counts.refused++
    else if (answer === undefined) this.#counts.failed++
    else this.#counts.done++
  }

  /** The record as it is then; undefined: it failed. */
  async #run(job: Job, record: ResolutionRecord): Promise<ResolutionRecord | undefined> {
    const { start, stop, onError } = this.#options
    const { key, backend, token } = job
    const signal = this.#closing.signal
    try {
      if (job.op === 'wake') return merged(record, await start({ key, backend, token, record }, signal))
      await stop?.({ key, backend, token, record }, signal)
      return { ...record, state: 'asleep' }
    } catch (error) {
      onError?.(error, key)
      return undefined
    }
  }

  /** Redis may be away at the moment that the backend is ready. */
  async #persist(report: () => Promise<Verdict>): Promise<Verdict> {
    for (let attempts = 0; ; attempts++) {
      try {
        return await report()
      } catch (error) {
        if (!(error instanceof RedisAwayError) || this.#closing.signal.aborted) throw error
        await new Promise((resolve) => setTimeout(resolve, pauseMs(attempts)))
      }
    }
  }
}

function merged(record: ResolutionRecord, answer: Partial<ResolutionRecord> | string | void): ResolutionRecord {
  const changes = typeof answer === 'string' ? { endpoint: answer } : answer
  return { ...record, ...changes, state: 'ready' }
}
