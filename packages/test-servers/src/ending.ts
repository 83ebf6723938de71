const callbacks = new Set<() => void>()

/** Runs `callback` when this process ends, by itself or by the test runner's SIGTERM. Returns the way to take it back. */
export function whenEnding(callback: () => void): () => void {
  if (callbacks.size === 0) {
    process.on('exit', end)
    process.on('SIGTERM', endBySignal)
  }
  callbacks.add(callback)
  return () => forget(callback)
}

function forget(callback: () => void): void {
  callbacks.delete(callback)
  if (callbacks.size > 0) return
  process.off('exit', end)
  process.off('SIGTERM', endBySignal)
}

function end(): void {
  // Latest first: a process goes before the directory that it works in.
  for (const callback of [...callbacks].reverse()) callback()
}

function endBySignal(): void {
  end()
  process.off('SIGTERM', endBySignal)
  if (process.listenerCount('SIGTERM') === 0) process.kill(process.pid, 'SIGTERM')
}

/** Whether there is no process of this id. */
export function hasEnded(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return false
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'ESRCH'
  }
}
