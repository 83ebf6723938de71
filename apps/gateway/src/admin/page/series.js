const kept = 120

/** The latest values of something, oldest first. */
export class Series {
  /** @type {number[]} */
  #values = []

  get values() {
    return this.#values
  }

  /** @param {number} value */
  push(value) {
    this.#values = [...this.#values.slice(1 - kept), value]
  }
}

/** Series by name; those that get no value any longer go. */
export class SeriesByName {
  /** @type {Map<string, Series>} */
  #series = new Map()

  /** @param {string} name */
  of(name) {
    return this.#series.get(name)?.values ?? []
  }

  /** @param {Iterable<readonly [name: string, value: number]>} values */
  push(values) {
    const before = this.#series
    this.#series = new Map()
    for (const [name, value] of values) {
      const series = before.get(name) ?? new Series()
      series.push(value)
      this.#series.set(name, series)
    }
  }
}
