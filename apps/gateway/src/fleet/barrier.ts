/** Settles for all who have arrived when nobody else is expected. */
export class Barrier {
  readonly #expected: Set<number>
  readonly #open: PromiseWithResolvers<void> = Promise.withResolvers()

  constructor(expected: Iterable<number>) {
    this.#expected = new Set(expected)
    this.#look()
  }

  arrive(who: number): Promise<void> {
    this.leave(who)
    return this.#open.promise
  }

  /** Whoever is gone is not waited for. */
  leave(who: number): void {
    this.#expected.delete(who)
    this.#look()
  }

  #look(): void {
    if (this.#expected.size === 0) this.#open.resolve()
  }
}
