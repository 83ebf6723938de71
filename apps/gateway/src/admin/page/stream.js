import { headers, Refused, refusalOf } from './access.js'

// Snapshots come every second.
const staleMs = 3_500
const silentMs = 10_000
const retryMs = [500, 1_000, 2_000, 3_000]

/**
 * @typedef {object} Listeners
 * @property {(event: string, data: unknown) => void} message
 * @property {(state: LinkState, sinceMs: number, why: string) => void} state
 */

/** @typedef {'connecting' | 'live' | 'stale' | 'refused'} LinkState */

/**
 * The events of the gateway, for as long as the page is open: it connects again by itself and says when what it shows is old.
 * Not an EventSource, since that cannot send a token.
 */
export class Stream {
  /** @type {Listeners} */
  #on
  #heardAt = Date.now()
  #triedAt = Date.now()
  #failures = 0
  #lastId = ''
  /** @type {LinkState} */
  #state = 'connecting'
  #why = ''
  #connection = new AbortController()
  #wake = () => {}

  /** @param {Listeners} on */
  constructor(on) {
    this.#on = on
  }

  start() {
    setInterval(() => this.#watch(), 500)
    void this.#run()
  }

  /** With another token, or because the reader does not want to wait. */
  again() {
    this.#failures = 0
    this.#connection.abort()
    this.#wake()
  }

  async #run() {
    for (;;) {
      this.#connection = new AbortController()
      this.#triedAt = Date.now()
      await this.#follow(this.#connection.signal).catch((error) => this.#failed(error))
      const pause = retryMs[Math.min(this.#failures++, retryMs.length - 1)]
      await new Promise((resolve) => {
        this.#wake = () => resolve(undefined)
        setTimeout(resolve, pause)
      })
    }
  }

  /** @param {unknown} error */
  #failed(error) {
    if (error instanceof Refused) {
      this.#why = error.message
      this.#state = 'refused'
    }
  }

  /** @param {AbortSignal} signal */
  async #follow(signal) {
    const last = this.#lastId === '' ? {} : { 'last-event-id': this.#lastId }
    const response = await fetch('/api/v1/events', { headers: { ...headers(), ...last }, cache: 'no-store', signal })
    if (!response.ok || response.body === null) throw await refusalOf(response)
    const reader = response.body.pipeThrough(new TextDecoderStream()).getReader()
    let rest = ''
    for (let read = await reader.read(); !read.done; read = await reader.read()) {
      const parts = (rest + read.value).split('\n\n')
      rest = parts.pop() ?? ''
      for (const part of parts) this.#take(part)
    }
  }

  /** @param {string} text */
  #take(text) {
    const fields = new Map(text.split('\n').map((line) => /** @type {[string, string]} */ (field(line))))
    const event = fields.get('event')
    if (event === undefined) return
    if (fields.has('id')) this.#lastId = fields.get('id') ?? ''
    if (event === 'snapshot') this.#heard()
    this.#on.message(event, JSON.parse(fields.get('data') ?? 'null'))
  }

  #heard() {
    this.#heardAt = Date.now()
    this.#failures = 0
    this.#state = 'live'
    this.#on.state('live', 0, '')
  }

  #watch() {
    const sinceMs = Date.now() - this.#heardAt
    if (this.#state === 'live' && sinceMs > staleMs) this.#state = 'stale'
    if (this.#state !== 'live') this.#on.state(this.#state, sinceMs, this.#why)
    // A connection that says nothing may be one that nobody holds the other end of.
    if (sinceMs > silentMs && Date.now() - this.#triedAt > silentMs) this.#connection.abort()
  }
}

/** @param {string} line */
function field(line) {
  const colon = line.indexOf(': ')
  return [line.slice(0, colon), line.slice(colon + 2)]
}
