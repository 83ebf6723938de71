import { readdirSync, readFileSync, readlinkSync } from 'node:fs'

/** Clock ticks per second in `/proc`; a constant of Linux's ABI on every architecture that Node runs on. */
const ticksPerSecond = 100

/** utime + stime in seconds out of the text of `/proc/PID/stat` (proc(5)); the name in it may hold anything. */
export const parseCpuSeconds = (stat: string): number => {
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
  return (Number(fields[11]) + Number(fields[12])) / ticksPerSecond
}

/** Proportional set size in KiB out of the text of `/proc/PID/smaps_rollup`: shared pages count by share. */
export const parsePssKib = (rollup: string): number => {
  const match = /^Pss:\s+(\d+) kB$/m.exec(rollup)
  if (match === null) throw new Error('no Pss in smaps_rollup')
  return Number(match[1])
}

const children = (pid: number): number[] =>
  readdirSync(`/proc/${pid}/task`).flatMap((task) =>
    readFileSync(`/proc/${pid}/task/${task}/children`, 'utf8').split(' ').filter(Boolean).map(Number),
  )

/** The process and all its descendants. */
export const processTree = (pid: number): number[] => [pid, ...children(pid).flatMap(processTree)]

/** CPU time of the processes so far. Throws when one of them is gone: the rest would be no measure. */
export const cpuSeconds = (pids: readonly number[]): number =>
  pids.reduce((sum, pid) => sum + parseCpuSeconds(readFileSync(`/proc/${pid}/stat`, 'utf8')), 0)

/** User memory of the processes. */
export const memoryKib = (pids: readonly number[]): number =>
  pids.reduce((sum, pid) => sum + parsePssKib(readFileSync(`/proc/${pid}/smaps_rollup`, 'utf8')), 0)

/** Memory of the kernel's own structures (sockets, files, timers) in KiB, of the whole machine. */
export const parseSlabKib = (meminfo: string): number => {
  const match = /^Slab:\s+(\d+) kB$/m.exec(meminfo)
  if (match === null) throw new Error('no Slab in meminfo')
  return Number(match[1])
}

export const slabKib = (): number => parseSlabKib(readFileSync('/proc/meminfo', 'utf8'))

/** Sockets that a process has open. */
export const openSockets = (pid: number): number =>
  readdirSync(`/proc/${pid}/fd`).filter((fd) => isSocket(`/proc/${pid}/fd/${fd}`)).length

const isSocket = (file: string): boolean => {
  try {
    return readlinkSync(file).startsWith('socket:')
  } catch {
    // It was closed in the meantime.
    return false
  }
}

/** Open files a process of ours may have. */
export const openFilesLimit = (): number => {
  const match = /^Max open files\s+(\d+)/m.exec(readFileSync('/proc/self/limits', 'utf8'))
  return match === null ? 1024 : Number(match[1])
}
