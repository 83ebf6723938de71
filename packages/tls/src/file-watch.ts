import { type FSWatcher, watch } from 'node:fs'
import { dirname } from 'node:path'
import type { Disposer } from '@proxy/kernel'

/** A renewal writes the certificate, then the key: look when both are there. */
const settleMs = 200

/**
 * Calls `changed` soon after anything changed in the directories of `paths`. Directories, because files are replaced by
 * renaming and, in mounted secrets, by turning a symbolic link. Where watching is not possible (`failed` says why) and
 * where it sees nothing (network file systems), `changed` is still called every `intervalMs`; 0 = never.
 */
export function watchFiles(
  paths: readonly string[],
  intervalMs: number,
  changed: () => void,
  failed: (error: unknown) => void,
): Disposer {
  let settling: NodeJS.Timeout | undefined
  const settle = (): void => {
    settling ??= setTimeout(() => {
      settling = undefined
      changed()
    }, settleMs).unref()
  }
  const watchers = [...new Set(paths.map((path) => dirname(path)))].map((path) => watchDirectory(path, settle, failed))
  const interval = intervalMs > 0 && paths.length > 0 ? setInterval(changed, intervalMs).unref() : undefined
  return () => {
    clearTimeout(settling)
    clearInterval(interval)
    for (const watcher of watchers) watcher?.close()
  }
}

function watchDirectory(path: string, changed: () => void, failed: (error: unknown) => void): FSWatcher | undefined {
  try {
    return watch(path, { persistent: false }, changed).on('error', failed)
  } catch (error) {
    failed(error)
    return undefined
  }
}
