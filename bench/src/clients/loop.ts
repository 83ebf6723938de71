/** Latencies of one span of a closed loop, in microseconds. */
export interface LoopReport {
  readonly count: number
  readonly seconds: number
  readonly p50Us: number
  readonly p99Us: number
}

export interface LoopOptions {
  /** Operations under way at a time. */
  readonly concurrency: number
  readonly seconds: number
}

/**
 * Does one operation after the other, in several lanes. `operation` is given the number of its lane and rejects when an answer
 * was wrong, which ends everything.
 */
export async function closedLoop(
  operation: (lane: number) => Promise<void>,
  { concurrency, seconds }: LoopOptions,
): Promise<LoopReport> {
  const latencies: number[] = []
  const began = performance.now()
  const end = began + seconds * 1000
  let failed = false
  const lane = async (number: number): Promise<void> => {
    let from = performance.now()
    while (from < end && !failed) {
      await operation(number)
      const to = performance.now()
      latencies.push((to - from) * 1000)
      from = to
    }
  }
  const lanes = Array.from({ length: concurrency }, (_, number) => lane(number))
  try {
    await Promise.all(lanes)
  } finally {
    failed = true
  }
  return reportOf(latencies, (performance.now() - began) / 1000)
}

function reportOf(latencies: readonly number[], seconds: number): LoopReport {
  if (latencies.length === 0) throw new Error('nothing was done')
  const sorted = latencies.toSorted((a, b) => a - b)
  const quantile = (share: number): number => sorted[Math.floor(sorted.length * share)]!
  return { count: sorted.length, seconds, p50Us: quantile(0.5), p99Us: quantile(0.99) }
}
