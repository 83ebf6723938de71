import { readdirSync, readFileSync } from 'node:fs'
import type { Sample } from './diagnostics.ts'
import type { Series } from './verdict.ts'

const mebibyte = 1_048_576

/** Open files of processes, looked at from outside. */
export class FileWatch {
  readonly counts: Map<number, number[]> = new Map()

  look(pids: readonly number[]): void {
    for (const pid of pids) {
      const counts = this.counts.get(pid) ?? []
      this.counts.set(pid, counts)
      try {
        counts.push(readdirSync(`/proc/${pid}/fd`).length)
      } catch {
        // It has just been killed.
      }
    }
  }
}

/** Everything that was seen of one process. */
export function seriesOf(name: string, pid: number, samples: readonly Sample[], files: FileWatch): Series[] {
  const of = samples.filter((sample) => sample.pid === pid)
  const values = (read: (sample: Sample) => number): number[] => of.map(read)
  return [
    { process: name, name: 'open files', most: 25, values: files.counts.get(pid) ?? [] },
    { process: name, name: 'heap, MiB', most: 12, values: values(({ heapBytes }) => heapBytes / mebibyte) },
    { process: name, name: 'resident, MiB', most: 40, values: values(({ rssBytes }) => rssBytes / mebibyte) },
    { process: name, name: 'timers', most: 20, values: values((sample) => sample.timers) },
    { process: name, name: 'handles', most: 40, values: values((sample) => sample.handles) },
  ].filter((series) => series.values.length > 0)
}

export function readSamples(file: string): Sample[] {
  const lines = readFileSync(file, 'utf8').split('\n').filter(Boolean)
  return lines.map((line) => JSON.parse(line) as Sample)
}
