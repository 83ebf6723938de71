import type { Backend, GatewayError } from '@proxy/kernel'
import type { Freshness } from './freshness.ts'

/** What was answered to one question. */
export class Entry {
  readonly key: string
  readonly outcome: Backend | GatewayError
  readonly etag: string | undefined
  readonly #freshness: Freshness
  readonly #came: number

  constructor(
    key: string,
    outcome: Backend | GatewayError,
    etag: string | undefined,
    freshness: Freshness,
    now: number,
  ) {
    this.key = key
    this.outcome = outcome
    this.etag = etag
    this.#freshness = freshness
    this.#came = now
  }

  isFresh(now: number): boolean {
    return now - this.#came < this.#freshness.freshMs
  }

  mayBeUsedMeanwhile(now: number): boolean {
    return now - this.#came < this.#freshness.freshMs + this.#freshness.staleMs
  }

  mayBeUsedInstead(now: number): boolean {
    return now - this.#came < this.#freshness.freshMs + this.#freshness.staleOnErrorMs
  }

  /** Said anew, as it was. */
  again(freshness: Freshness, now: number): Entry {
    return new Entry(this.key, this.outcome, this.etag, freshness, now)
  }
}
