import type { Sample, SampleStore } from './samples.ts'

/**
 * The series of one protocol on one listener that all goes well adds to, so often that looking them up by their labels would cost.
 * Each is there from the moment on in which something is added to it.
 */
export class FrequentSeries {
  readonly listener: string
  readonly protocol: string
  readonly #store: SampleStore
  #outcome = ''
  #reason = ''
  #sessions: Sample | undefined = undefined
  #fromClient: Sample | undefined = undefined
  #toClient: Sample | undefined = undefined
  #sessionSeconds: Sample | undefined = undefined
  #setupSeconds: Sample | undefined = undefined
  #routes: Sample | undefined = undefined
  #routeSeconds: Sample | undefined = undefined
  #dials: Sample | undefined = undefined
  #dialSeconds: Sample | undefined = undefined
  #client: Sample | undefined = undefined
  #resolve: Sample | undefined = undefined
  #dial: Sample | undefined = undefined
  #firstByte: Sample | undefined = undefined

  constructor(store: SampleStore, listener: string, protocol: string) {
    this.#store = store
    this.listener = listener
    this.protocol = protocol
  }

  /** Most sessions end like the one before. */
  sessions(outcome: string, reason: string): Sample {
    const known = this.#sessions
    if (known !== undefined && outcome === this.#outcome && reason === this.#reason) return known
    this.#outcome = outcome
    this.#reason = reason
    return (this.#sessions = this.#store.series('sessions', [this.listener, this.protocol, outcome, reason]))
  }

  get fromClient(): Sample {
    return (this.#fromClient ??= this.#store.series('sessionBytes', [this.listener, 'from_client']))
  }

  get toClient(): Sample {
    return (this.#toClient ??= this.#store.series('sessionBytes', [this.listener, 'to_client']))
  }

  get sessionSeconds(): Sample {
    return (this.#sessionSeconds ??= this.#store.series('sessionSeconds', [this.listener]))
  }

  get setupSeconds(): Sample {
    return (this.#setupSeconds ??= this.#store.series('setupSeconds', [this.listener]))
  }

  /** That led to a backend. */
  get routes(): Sample {
    return (this.#routes ??= this.#store.series('routes', [this.listener, 'ok']))
  }

  get routeSeconds(): Sample {
    return (this.#routeSeconds ??= this.#store.series('routeSeconds', [this.listener]))
  }

  /** That led to a connection. */
  get dials(): Sample {
    return (this.#dials ??= this.#store.series('dials', [this.listener, 'ok']))
  }

  get dialSeconds(): Sample {
    return (this.#dialSeconds ??= this.#store.series('dialSeconds', [this.listener]))
  }

  get client(): Sample {
    return (this.#client ??= this.#part('client'))
  }

  get resolve(): Sample {
    return (this.#resolve ??= this.#part('resolve'))
  }

  get dial(): Sample {
    return (this.#dial ??= this.#part('dial'))
  }

  get firstByte(): Sample {
    return (this.#firstByte ??= this.#part('first_byte'))
  }

  #part(part: string): Sample {
    return this.#store.series('sessionPartSeconds', [this.listener, this.protocol, part])
  }
}

/** All of them, by listener and protocol. */
export class FrequentTable {
  readonly #store: SampleStore
  /** A listener has one protocol or a few. */
  readonly #listeners = new Map<string, FrequentSeries[]>()
  #last: FrequentSeries | undefined = undefined

  constructor(store: SampleStore) {
    this.#store = store
  }

  of(listener: string, protocol: string): FrequentSeries {
    const last = this.#last
    if (last !== undefined && last.listener === listener && last.protocol === protocol) return last
    return (this.#last = this.#find(listener, protocol))
  }

  #find(listener: string, protocol: string): FrequentSeries {
    let all = this.#listeners.get(listener)
    if (all === undefined) this.#listeners.set(listener, (all = []))
    const known = all.find((series) => series.protocol === protocol)
    if (known !== undefined) return known
    const series = new FrequentSeries(this.#store, listener, protocol)
    all.push(series)
    return series
  }
}
