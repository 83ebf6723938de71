/**
 * What the worker with the fewest connections has, as part of an equal share, out of the sockets of each process before and
 * after they were opened. Processes that took none, like a primary, do not count, unless too few took any.
 */
export const smallestShare = (before: readonly number[], after: readonly number[], workers: number): number => {
  const taken = after.map((count, index) => count - (before[index] ?? 0)).filter((count) => count > 0)
  if (taken.length < workers) return 0
  return (Math.min(...taken) * workers) / taken.reduce((sum, count) => sum + count, 0)
}
