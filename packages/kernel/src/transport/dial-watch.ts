/** A dial that somebody may give up, and that may take too long. */
export interface WatchedDial {
  readonly over: boolean
  /** It was not over after a moment. */
  linger(elapsedMs: number): void
}

/** Until a dial is so old nobody looks whether it was given up. */
const youngMs = 10

/** Most dials are over within milliseconds: a timer and a listener of its own are only for one that is not. */
export class DialWatch {
  #young: WatchedDial[] = []
  readonly #onSweep = (): void => this.#sweep()

  watch(dial: WatchedDial): void {
    if (this.#young.length === 0) setTimeout(this.#onSweep, youngMs)
    this.#young.push(dial)
  }

  #sweep(): void {
    const young = this.#young
    this.#young = []
    for (const dial of young) if (!dial.over) dial.linger(youngMs)
  }
}
