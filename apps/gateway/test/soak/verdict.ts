/** What is measured of one process over time. */
export interface Series {
  readonly process: string
  readonly name: string
  /** More than so much between the beginning and the end is growth. */
  readonly most: number
  readonly values: readonly number[]
}

export interface Trend {
  readonly process: string
  readonly name: string
  /** Medians of the second quarter and of the last one: the first is for warming up. */
  readonly early: number
  readonly late: number
  readonly flat: boolean
}

export function trendOf({ process, name, most, values }: Series): Trend {
  const quarter = Math.floor(values.length / 4)
  const early = median(values.slice(quarter, 2 * quarter))
  const late = median(values.slice(-quarter))
  return { process, name, early, late, flat: late - early <= most }
}

function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b)
  return sorted[Math.floor(sorted.length / 2)] ?? Number.NaN
}
