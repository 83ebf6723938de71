/** @typedef {import('../api/latency.ts').LatencyView} LatencyView */

const windowMs = 60_000

/**
 * What was observed in the last minute: histograms only grow, so it is what they have more than a minute ago.
 */
export class Window {
  /** @type {{ at: number, latency: LatencyView }[]} */
  #past = []

  /**
   * @param {number} at
   * @param {LatencyView} latency
   */
  push(at, latency) {
    this.#past.push({ at, latency })
    while (this.#past.length > 2 && /** @type {{ at: number }} */ (this.#past[1]).at < at - windowMs) this.#past.shift()
  }

  /** @param {string} part */
  counts(part) {
    const [first, last] = [this.#past.at(0), this.#past.at(-1)]
    const now = last?.latency.all[part]?.counts ?? []
    // A page that was just opened shows what it found.
    const before = this.#past.length > 1 ? (first?.latency.all[part]?.counts ?? []) : []
    return now.map((count, bucket) => Math.max(0, count - (before[bucket] ?? 0)))
  }
}

/**
 * An estimate: as if the observations of a bucket were spread evenly over it. null: there are none.
 * @param {readonly number[]} boundsMs
 * @param {readonly number[]} counts
 * @param {number} q
 * @returns {number | null}
 */
export function quantile(boundsMs, counts, q) {
  const total = counts.reduce((sum, count) => sum + count, 0)
  if (total === 0) return null
  let rank = q * total
  for (const [bucket, count] of counts.entries()) {
    if (rank <= count && count > 0) {
      const from = boundsMs[bucket - 1] ?? 0
      const to = boundsMs[bucket] ?? from
      return from + ((to - from) * rank) / count
    }
    rank -= count
  }
  return boundsMs.at(-1) ?? null
}
