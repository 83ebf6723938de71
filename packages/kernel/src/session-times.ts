import type { SessionTiming } from './hooks.ts'

/** Of a session whose times nobody asked for. */
export const NO_TIMING: SessionTiming = Object.freeze({
  clientMs: 0,
  resolveMs: 0,
  wakeMs: 0,
  dialMs: 0,
  firstByteMs: undefined,
})

/** Where the time of one session went. Whole microseconds, which take no memory of their own; -1: never. */
export class SessionTimes {
  #client = -1
  #resolve = 0
  #wake = 0
  #dial = 0
  /** Since the session was accepted. */
  #dialled = -1
  #firstByte = -1

  /** A key was asked for, so long after the session was accepted. */
  asked(sinceMs: number): void {
    if (this.#client < 0) this.#client = whole(sinceMs)
  }

  /** Waking, as part of a resolve or a dial, is told on its own, before its end. */
  waited(ms: number): void {
    this.#wake += whole(ms)
  }

  get wakeMs(): number {
    return this.#wake / 1_000
  }

  resolved(ms: number, wakeMs: number): void {
    this.#resolve += whole(ms - wakeMs)
  }

  dialled(ms: number, wakeMs: number, sinceMs: number): void {
    this.#dial += whole(ms - wakeMs)
    this.#dialled = whole(sinceMs)
    this.#firstByte = -1
  }

  /** The backend that was dialled last said something, so long after the session was accepted. */
  heard(sinceMs: number): void {
    if (this.#firstByte < 0 && this.#dialled >= 0) this.#firstByte = Math.max(0, whole(sinceMs) - this.#dialled)
  }

  get timing(): SessionTiming {
    return {
      clientMs: Math.max(0, this.#client) / 1_000,
      resolveMs: this.#resolve / 1_000,
      wakeMs: this.#wake / 1_000,
      dialMs: this.#dial / 1_000,
      firstByteMs: this.#firstByte < 0 ? undefined : this.#firstByte / 1_000,
    }
  }
}

function whole(ms: number): number {
  return Math.round(ms * 1_000)
}
