import type { Backend, Disposer, Resolve, RouteRequest } from '../contracts.ts'
import { GatewayError } from '../errors.ts'
import type { Hooks } from '../hooks.ts'
import { isPromise } from '../promise.ts'

/** Counts the sessions of each key. Holds no more than one entry for each live session and key that resolved. */
export class ConnectionCount {
  readonly #most: number
  readonly #sessions = new Map<string, Set<string>>()
  readonly #counts = new Map<string, number>()

  /** `most` may be Infinity. */
  constructor(most: number) {
    this.#most = most
  }

  /** Keys that have sessions. */
  get keys(): number {
    return this.#counts.size
  }

  /** Forgets sessions as they end. */
  watch(hooks: Hooks): Disposer | undefined {
    if (this.#most === Number.POSITIVE_INFINITY) return undefined
    return hooks.on('session:end', ({ session }) => this.#end(session))
  }

  /** Throws `PROXY_LIMIT_CONNECTIONS` when one more session would be too many. */
  resolve(next: Resolve, request: RouteRequest, signal: AbortSignal): Backend | Promise<Backend> {
    const { session, key } = request
    if (!this.#enter(session, key)) return next(request, signal)
    try {
      const answer = next(request, signal)
      return isPromise(answer) ? this.#wait(answer, session, key) : answer
    } catch (error) {
      this.#leave(session, key)
      throw error
    }
  }

  /** True when the session is new to the key. */
  #enter(session: string, key: string): boolean {
    if (this.#most === Number.POSITIVE_INFINITY) return false
    const keys = this.#sessions.get(session)
    if (keys?.has(key) === true) return false
    const count = this.#counts.get(key) ?? 0
    if (count >= this.#most) throw new GatewayError('PROXY_LIMIT_CONNECTIONS')
    this.#counts.set(key, count + 1)
    if (keys === undefined) this.#sessions.set(session, new Set([key]))
    else keys.add(key)
    return true
  }

  async #wait(answer: Promise<Backend>, session: string, key: string): Promise<Backend> {
    try {
      return await answer
    } catch (error) {
      this.#leave(session, key)
      throw error
    }
  }

  #leave(session: string, key: string): void {
    const keys = this.#sessions.get(session)
    if (keys?.delete(key) !== true) return
    if (keys.size === 0) this.#sessions.delete(session)
    this.#uncount(key)
  }

  #end(session: string): void {
    for (const key of this.#sessions.get(session) ?? []) this.#uncount(key)
    this.#sessions.delete(session)
  }

  #uncount(key: string): void {
    const count = (this.#counts.get(key) ?? 0) - 1
    if (count > 0) this.#counts.set(key, count)
    else this.#counts.delete(key)
  }
}
