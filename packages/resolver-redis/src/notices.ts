/** Who waits for something to change: woken by a message, by a gap in the messages, or by the time. */
export class Notices {
  readonly #waiting = new Map<string, Set<() => void>>()

  /** Settles at the next notice for `name`, after `timeoutMs` or when the signal is aborted. */
  wait(name: string, timeoutMs: number, signal: AbortSignal): Promise<void> {
    if (signal.aborted) return Promise.resolve()
    return new Promise((resolve) => {
      const settle = (): void => {
        clearTimeout(timer)
        signal.removeEventListener('abort', settle)
        this.#leave(name, settle)
        resolve()
      }
      const timer = setTimeout(settle, timeoutMs)
      signal.addEventListener('abort', settle, { once: true })
      const others = this.#waiting.get(name)
      if (others === undefined) this.#waiting.set(name, new Set([settle]))
      else others.add(settle)
    })
  }

  notify(name: string): void {
    for (const settle of this.#waiting.get(name) ?? []) settle()
  }

  notifyAll(): void {
    for (const name of this.#waiting.keys()) this.notify(name)
  }

  #leave(name: string, settle: () => void): void {
    const others = this.#waiting.get(name)
    others?.delete(settle)
    if (others?.size === 0) this.#waiting.delete(name)
  }
}
