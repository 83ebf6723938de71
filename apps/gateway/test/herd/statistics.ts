const resamples = 2_000

/** Of numbers in any order: the least that so great a part of them does not exceed. */
export function quantile(numbers: readonly number[], q: number): number {
  const sorted = Float64Array.from(numbers).sort()
  return sorted[Math.min(sorted.length - 1, Math.floor(q * sorted.length))] ?? Number.NaN
}

export const median = (numbers: readonly number[]): number => quantile(numbers, 0.5)

/** Where what is said of so many rounds lies with 95 %, by drawing rounds from them again and again. */
export function interval(rounds: number, said: (drawn: readonly number[]) => number): [low: number, high: number] {
  const draw = (): number[] => Array.from({ length: rounds }, () => Math.floor(Math.random() * rounds))
  const all = Array.from({ length: resamples }, () => said(draw()))
  return [quantile(all, 0.025), quantile(all, 0.975)]
}
