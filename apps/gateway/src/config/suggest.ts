/** The candidate that `word` was probably meant to be, or undefined when none is near. */
export function nearest(word: string, candidates: Iterable<string>): string | undefined {
  const limit = Math.max(1, Math.floor(word.length / 3))
  let best: string | undefined
  let bestDistance = limit + 1
  for (const candidate of candidates) {
    const distance = distanceOf(word.toLowerCase(), candidate.toLowerCase())
    if (distance < bestDistance) [best, bestDistance] = [candidate, distance]
  }
  return best
}

/** `Did you mean "x"?`, or undefined. */
export function didYouMean(word: string, candidates: Iterable<string>): string | undefined {
  const best = nearest(word, candidates)
  return best === undefined ? undefined : `Did you mean "${best}"?`
}

// `ttl` for `ttlMs`: whoever writes the beginning of a name means it.
const distanceOf = (word: string, candidate: string): number =>
  word.length > 2 && candidate.startsWith(word) ? 1 : editDistance(word, candidate)

/** Insertions, deletions, replacements and swaps of neighbours (optimal string alignment). */
function editDistance(a: string, b: string): number {
  let before: number[] = []
  let previous = Array.from({ length: b.length + 1 }, (_, j) => j)
  for (let i = 1; i <= a.length; i++) {
    const row = [i]
    for (let j = 1; j <= b.length; j++) row.push(cell(a, b, i, j, row, previous, before))
    before = previous
    previous = row
  }
  return previous[b.length] ?? a.length
}

function cell(a: string, b: string, i: number, j: number, row: number[], previous: number[], before: number[]): number {
  const cost = a[i - 1] === b[j - 1] ? 0 : 1
  const best = Math.min(row[j - 1]! + 1, previous[j]! + 1, previous[j - 1]! + cost)
  const swapped = i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1]
  return swapped ? Math.min(best, before[j - 2]! + 1) : best
}
