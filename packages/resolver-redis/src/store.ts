import type { ResolutionRecord } from '@proxy/kernel'
import type { Bus } from './bus.ts'
import { encodeRecord, parseState, stateFields, type StoredState } from './records.ts'
import * as scripts from './scripts.ts'

export const changedChannel = 'changed'

/** What is told on the channel `changed`. */
export interface Changed {
  /** Of the resource. */
  readonly key?: string | undefined
  /** Of the backend, where the record gives one. */
  readonly id?: string | undefined
  /** Of what was woken or put to sleep; absent when only the record changed. */
  readonly lock?: string | undefined
}

export type Verdict = 'ok' | 'stale' | 'gone'

export interface Report {
  readonly token: number
  readonly record?: ResolutionRecord | undefined
  readonly outcome?: 'done' | 'failed' | undefined
  readonly changed: Changed
  readonly ttlMs?: number | undefined
}

/** Routes, and the state of what can be woken, as they are kept in Redis. */
export class Store {
  readonly #bus: Bus

  constructor(bus: Bus) {
    this.#bus = bus
  }

  routeKey(key: string): string {
    return `${this.#bus.prefix}route:${key}`
  }

  /** Of a backend whose record is another resolver's. */
  outcomeKey(lock: string): string {
    return `${this.#bus.prefix}outcome:${lock}`
  }

  /** undefined: there is none. Throws `ResolveError` INTERNAL for a malformed one, `RedisAwayError`. */
  async read(stateKey: string): Promise<StoredState | undefined> {
    const fields = await this.#bus.link.run((client) => client.hmget(stateKey, ...stateFields))
    if (fields.every((field) => field === null)) return undefined
    return parseState(fields)
  }

  /** With `makeForMs` the state is made where there is none, and kept for so long. */
  claim(stateKey: string, token: number, makeForMs = 0): Promise<Verdict> {
    return this.#eval(scripts.claim, stateKey, token, makeForMs)
  }

  report(stateKey: string, { token, record, outcome, changed, ttlMs }: Report): Promise<Verdict> {
    const text = record === undefined ? '' : encodeRecord(record)
    const channel = this.#bus.prefix + changedChannel
    return this.#eval(
      scripts.report,
      stateKey,
      token,
      text,
      outcome ?? '',
      ttlMs ?? 0,
      channel,
      JSON.stringify(changed),
    )
  }

  async put(key: string, record: ResolutionRecord): Promise<void> {
    const [text, channel] = [encodeRecord(record), this.#bus.prefix + changedChannel]
    await this.#eval(scripts.put, this.routeKey(key), text, channel, JSON.stringify({ key, id: record.id }))
  }

  async remove(key: string): Promise<boolean> {
    const channel = this.#bus.prefix + changedChannel
    return (await this.#eval(scripts.remove, this.routeKey(key), channel, JSON.stringify({ key }))) === 1
  }

  #eval<T>(script: string, key: string, ...args: readonly (string | number)[]): Promise<T> {
    return this.#bus.link.run((client) => client.eval(script, 1, key, ...args) as Promise<T>)
  }
}
