/** The middle of the values; the mean of the two middle ones when their number is even. NaN for none. */
export const median = (values: readonly number[]): number => {
  const sorted = values.toSorted((a, b) => a - b)
  const half = sorted.length >> 1
  const upper = sorted[half] ?? Number.NaN
  return sorted.length % 2 === 1 ? upper : ((sorted[half - 1] ?? Number.NaN) + upper) / 2
}

export interface Spread {
  readonly median: number
  readonly min: number
  readonly max: number
}

export const spread = (values: readonly number[]): Spread => ({
  median: median(values),
  min: Math.min(...values),
  max: Math.max(...values),
})

/**
 * Ratios of two subjects, round by round: both of a pair were measured within seconds of each other, so what disturbed
 * the machine for longer than that disturbed both.
 */
export const pairedRatios = (values: readonly number[], reference: readonly number[]): number[] =>
  values.flatMap((value, round) => {
    const other = reference[round]
    return other === undefined || other === 0 ? [] : [value / other]
  })
