import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'

let collect: (() => void) | undefined

/** Collects what is garbage. */
function gc(): void {
  if (collect === undefined) {
    setFlagsFromString('--expose-gc')
    collect = runInNewContext('gc') as () => void
  }
  collect()
}

/** Bytes on the heap and in buffers, garbage not counted. */
export function usedMemory(): number {
  gc()
  const { heapUsed, external } = process.memoryUsage()
  return heapUsed + external
}
