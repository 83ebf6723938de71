import { readdirSync, readFileSync } from 'node:fs'
import type { Sample } from './diagnostics.ts'
import type { Series } from './verdict.ts'

const mebibyte = 1_048_576

/** Open files and memory of processes, looked at from outside. */
export class FileWatch {
  readonly counts: Map<number, number[]> = new Map()
  readonly residentMiB: Map<number, number[]> = new Map()

  look(pids: readonly number[]): void {
    for (const pid of pids) {
      try {
        push(this.counts, pid, readdirSync(`/proc/${pid}/fd`).length)
        push(this.residentMiB, pid, residentKiB(pid) / 1_024)
      } catch {
        // It has just been killed.
      }
    }
  }
}

function push(series: Map<number, number[]>, pid: number, value: number): void {
  const values = series.get(pid)
  if (values === undefined) series.set(pid, [value])
  else values.push(value)
}

const residentKiB = (pid: number): number =>
  Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1])

/** Everything that was seen of one process. */
export function seriesOf(name: string, pid: number, samples: readonly Sample[], files: FileWatch): Series[] {
  const of = samples.filter((sample) => sample.pid === pid)
  const values = (read: (sample: Sample) => number): number[] => of.map(read)
  return [
    { process: name, name: 'open files', most: 25, values: files.counts.get(pid) ?? [] },
    { process: name, name: 'heap, MiB', most: 12, values: values(({ heapBytes }) => heapBytes / mebibyte) },
    { process: name, name: 'resident, MiB', most: 40, values: files.residentMiB.get(pid) ?? [] },
    { process: name, name: 'timers', most: 20, values: values((sample) => sample.timers) },
    { process: name, name: 'handles', most: 40, values: values((sample) => sample.handles) },
  ].filter((series) => series.values.length > 0)
}

export function readSamples(file: string): Sample[] {
  const lines = readFileSync(file, 'utf8').split('\n').filter(Boolean)
  return lines.map((line) => JSON.parse(line) as Sample)
}
