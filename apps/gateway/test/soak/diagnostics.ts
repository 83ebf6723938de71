import { appendFileSync } from 'node:fs'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import type { Layer } from '@proxy/kernel'
import { liveTimers } from './live-timers.ts'

/** What a worker process holds at one moment. */
export interface Sample {
  readonly pid: number
  readonly atMs: number
  readonly heapBytes: number
  readonly timers: number
  /** What keeps the process alive. */
  readonly handles: number
}

setFlagsFromString('--expose-gc')
const collect = runInNewContext('gc') as () => void

/** Appends a sample, taken behind a collection, as a line of JSON to a file. */
export function diagnostics(file: string, everyMs: number): Layer {
  return {
    name: 'diagnostics',
    setup() {
      const timer = setInterval(() => appendFileSync(file, `${JSON.stringify(sample())}\n`), everyMs).unref()
      return () => clearInterval(timer)
    },
  }
}

function sample(): Sample {
  collect()
  const { heapUsed } = process.memoryUsage()
  const handles = process.getActiveResourcesInfo().length
  return { pid: process.pid, atMs: Date.now(), heapBytes: heapUsed, timers: liveTimers(), handles }
}
