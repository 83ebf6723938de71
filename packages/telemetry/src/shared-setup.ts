import type { Disposer } from '@proxy/kernel'

/** While a reload replaces the layers, the new ones are there before the old ones go: one that is in both observes once. */
export class SharedSetup {
  #users = 0
  #disposers: readonly Disposer[] = []

  /** `ended` is called when the last user has gone. */
  use(begin: () => readonly Disposer[], ended?: () => void): Disposer {
    if (this.#users++ === 0) this.#disposers = begin()
    let used = true
    return () => {
      if (!used) return
      used = false
      if (--this.#users > 0) return
      for (const dispose of this.#disposers) dispose()
      ended?.()
    }
  }
}
