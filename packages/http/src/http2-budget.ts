/** How much of something a client may do: so much at once, and so much more each second. */
export class Budget {
  readonly #burst: number
  readonly #perSecond: number
  #used = 0

  constructor(burst: number, perSecond: number) {
    this.#burst = burst
    this.#perSecond = perSecond
  }

  /** False: that was too much. */
  spend(): boolean {
    return ++this.#used <= this.#burst
  }

  refill(seconds: number): void {
    this.#used = Math.max(0, this.#used - this.#perSecond * seconds)
  }
}
