const kills = new Set<() => void>()

function killAll(): void {
  for (const kill of kills) kill()
}

/** Calls `kill` when this process exits, however orderly; the answer takes that back. */
export function atExit(kill: () => void): () => void {
  if (kills.size === 0) process.on('exit', killAll)
  kills.add(kill)
  return () => {
    if (kills.delete(kill) && kills.size === 0) process.off('exit', killAll)
  }
}
