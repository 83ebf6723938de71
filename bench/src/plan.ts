/** How often and how long a suite measures. */
export interface Plan {
  readonly rounds: number
  readonly seconds: number
  readonly warmup: number
  /** Of the first round, in which just-in-time compilers still compile. */
  readonly firstWarmup: number
}

/** The order of a round: each round begins with another subject, so that none always comes after the same one. */
export const rotated = <Item>(items: readonly Item[], round: number): Item[] => {
  const start = items.length === 0 ? 0 : round % items.length
  return [...items.slice(start), ...items.slice(0, start)]
}
